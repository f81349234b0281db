"""What stands in the guest's hands for what stays in the scheduler: proxies of objects, and pending values."""

from __future__ import annotations

from typing import Any

from statek_executor.interpreter.objects import HostObject, Objects, reference_of
from statek_executor.interpreter.pending import reference_to
from statek_policies.language.pending import Pending, element, pending
from statek_protocol.references import HandleRef, Reference


class GuestCrossing:
    """The `statek_protocol.references.Crossing` of an interpreter."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    @property
    def kinds(self) -> frozenset[type]:
        return self._objects.kinds | {Pending}

    def refer(self, obj: Any) -> Reference:
        return reference_of(obj) if issubclass(type(obj), HostObject) else reference_to(obj)

    def resolve(self, reference: Reference) -> object:
        if isinstance(reference, HandleRef):
            return self._objects.proxy(reference)
        found = pending(reference.number)
        for index in reference.path:
            found = element(found, index, 0)
        return found
