"""The names of calls that are not an application's tools: what a guest does to objects and futures in the scheduler.

Each is a `Call` like a tool's, with a number, arguments and a durable outcome, so a replay answers it from the record.
Their names have a dot, which no tool's name has. Arguments are the pair of a tuple and a dict that every call has;
references (`statek_protocol.references`) stand for objects and futures.
"""

from __future__ import annotations

from typing import Final

SLEEP: Final = "time.sleep"
"""(seconds,): a timer of the scheduler, so that waiting costs no CPU and is not slept again in a replay."""

FUTURE_VALUE: Final = "future.value"
"""(future,): its value. The job is suspended until it is there."""
FUTURE_READY: Final = "future.ready"
"""(future,): whether the value is there, as a bool; never suspends."""
FUTURE_ANY: Final = "future.any"
"""(a tuple of futures and values, timeout in seconds or None): a future of the value of the first that succeeds."""
FUTURE_ALL: Final = "future.all"
"""(a tuple of futures and values, timeout in seconds or None): a future of the tuple of all values."""
FUTURE_CANCEL: Final = "future.cancel"
"""(future,): give up waiting for it; whoever asks for its value gets `WaitCancelled`."""

OBJECT_DESCRIBE: Final = "object.describe"
"""(object,): the names of the public methods of its class, in order, as a tuple of str; (object, "all"): of all public
members of the object."""
OBJECT_GET: Final = "object.get"
"""(object, name): the value of an attribute."""
OBJECT_SET: Final = "object.set"
"""(object, name, value): None, with the attribute set."""
OBJECT_DELETE: Final = "object.delete"
"""(object, name): None, with the attribute deleted."""
OBJECT_INVOKE: Final = "object.invoke"
"""(object, name or None, args, kwargs): the result of a method, or of the object itself."""
OBJECT_ITEM: Final = "object.item"
"""(object, key), or (object, start, stop, step) for a slice: the item under the key."""
OBJECT_SET_ITEM: Final = "object.set_item"
"""(object, key, value): None, with the item set."""
OBJECT_DELETE_ITEM: Final = "object.delete_item"
"""(object, key): None, with the item deleted."""
OBJECT_LENGTH: Final = "object.length"
"""(object,): its length."""
OBJECT_ITERATE: Final = "object.iterate"
"""(object, start, count): a list of at most count items from that place on, and whether nothing comes after them."""
OBJECT_CONTAINS: Final = "object.contains"
"""(object, item): a bool."""
OBJECT_COMPARE: Final = "object.compare"
"""(object, operator, other): the outcome of ==, !=, <, <=, > or >=."""
OBJECT_TEXT: Final = "object.text"
"""(object, how): its text as `str`, as `repr`, or under "format:" and a format."""
OBJECT_TRUTH: Final = "object.truth"
"""(object,): a bool."""

OBJECT_OPERATIONS: Final = frozenset(
    {
        *(OBJECT_DESCRIBE, OBJECT_GET, OBJECT_SET, OBJECT_DELETE, OBJECT_INVOKE, OBJECT_ITEM, OBJECT_SET_ITEM),
        *(OBJECT_DELETE_ITEM, OBJECT_LENGTH, OBJECT_ITERATE, OBJECT_CONTAINS, OBJECT_COMPARE, OBJECT_TEXT),
        OBJECT_TRUTH,
    }
)
FUTURE_OPERATIONS: Final = frozenset({FUTURE_VALUE, FUTURE_READY, FUTURE_ANY, FUTURE_ALL, FUTURE_CANCEL})
OPERATIONS: Final = OBJECT_OPERATIONS | FUTURE_OPERATIONS | {SLEEP}
