"""How does a function that describes a request become a method of a client, with its parameters and its docstring?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_args

F = TypeVar("F", bound=Callable[..., Any])


def described_by(describe: Callable[..., Any], client: str) -> Callable[[F], F]:
    """Give a method of the class `client` the name, docstring and signature of what describes its request.

    Its result is what the described answer means: of a `Call[str]` that is `str`.
    """

    def named(method: F) -> F:
        asked = inspect.signature(describe, eval_str=True)
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        (meant,) = get_args(asked.return_annotation)
        given: dict[str, Any] = {
            "__name__": describe.__name__,
            "__qualname__": f"{client}.{describe.__name__}",
            "__doc__": describe.__doc__,
            "__signature__": asked.replace(parameters=[own, *asked.parameters.values()], return_annotation=meant),
        }
        for attribute, value in given.items():
            setattr(method, attribute, value)
        return method

    return named
