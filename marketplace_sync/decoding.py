"""Makes decoders of typed documents, one at a time.

The library finds out what a type consists of when the type is decoded for the first time, and lets other threads see
that while it is half found out: two threads that meet a type for the first time together end the whole process
(msgspec 0.22, a segmentation fault). So every decoder in this package is made here, where one thread makes it and the
others wait; a test holds the package to it.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_making = Lock()
_made: dict[tuple[Any, Any, bool], msgspec.json.Decoder[Any]] = {}


@overload
def decoder(
    kind: type[T], *, float_hook: Callable[[str], Any] | None = None, strict: bool = True
) -> msgspec.json.Decoder[T]: ...
@overload
def decoder(
    kind: Any, *, float_hook: Callable[[str], Any] | None = None, strict: bool = True
) -> msgspec.json.Decoder[Any]: ...
def decoder(
    kind: Any, *, float_hook: Callable[[str], Any] | None = None, strict: bool = True
) -> msgspec.json.Decoder[Any]:
    """The decoder of JSON into `kind`, as `msgspec.json.Decoder` would make it."""
    key = (kind, float_hook, strict)
    found = _made.get(key)
    if found is None:
        with _making:
            found = _made.get(key)
            if found is None:
                found = _made[key] = msgspec.json.Decoder(kind, float_hook=float_hook, strict=strict)
    return found


@overload
def decoded(document: bytes | str | msgspec.Raw, kind: type[T]) -> T: ...
@overload
def decoded(document: bytes | str | msgspec.Raw, kind: Any) -> Any: ...
def decoded(document: bytes | str | msgspec.Raw, kind: Any) -> Any:
    """A JSON document as `kind`. Raises msgspec.DecodeError, msgspec.ValidationError."""
    return decoder(kind).decode(document)


def converted(value: Any, kind: type[T]) -> T:
    """Plain values as `kind`. Raises msgspec.ValidationError."""
    decoder(kind)  # the type is known from here on
    return msgspec.convert(value, kind)
