"""Our frozen values as JSON and back: on the log and in the store's JSON columns.

Unknown fields are ignored, so that a record written by a newer version stays readable by an older one.
"""

from collections.abc import Hashable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _adapter(kind: Hashable) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(cast(Any, kind))


def to_json(value: object) -> bytes:
    """UTF-8 JSON of one of our values; equal values give equal bytes."""
    return _adapter(cast(Hashable, type(value))).dump_json(value)


def from_json(kind: type[T], text: bytes | str) -> T:
    """Raises ``ValueError`` (pydantic's own subclass of it) where the text is not such a value."""
    return cast(T, _adapter(cast(Hashable, kind)).validate_json(text))  # mypy: a type[T] is not seen as hashable
