"""Documents out of JSON: nothing is taken that was not asked for, and each mistake says where it is."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_type_hints

import attrs
import msgspec

from twisted_pulp.documents._problem import Fault

__all__ = ["InvalidDocument", "read_document"]

T = TypeVar("T")
#: Mistakes that are told at once.
_MOST = 20
_AT = re.compile(r"(.*) - at `(?:key in )?\$(.*)`", re.S).fullmatch
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


class InvalidDocument(ValueError):
    """
    A document is not what it must be.

    :ivar faults: what is wrong with it.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults

    def __str__(self) -> str:
        return "; ".join(f"{each.pointer or 'the document'}: {each.detail}" for each in self.faults)


def read_document(kind: type[T], data: Any, pointer: str = "") -> T:
    """
    Return the document of class *kind* that *data*, decoded JSON, stands for.

    :param pointer: where *data* itself is.
    :raises InvalidDocument: when it is none, or has fields that the class does not have.
    """
    unknown = [Fault(pointer=f"{pointer}{each}", detail="there is no such field") for each in _unknown(kind, data, "")]
    if unknown:
        raise InvalidDocument(*unknown[:_MOST])
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        found = _AT(str(error))
        detail, path = (found[1], found[2]) if found else (str(error), "")
        raise InvalidDocument(Fault(pointer=pointer + _pointer(path), detail=detail)) from error


def _pointer(path: str) -> str:
    return "".join("/" + _escaped(name or number) for name, number in _STEP.findall(path))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unknown(kind: Any, data: Any, pointer: str) -> list[str]:
    """Return pointers to what *kind* has no fields for."""
    if isinstance(data, list):
        inner = _inner(kind)
        if inner is None:
            return []
        found: list[str] = []
        for at, each in enumerate(data):
            if len(found) >= _MOST:
                break
            found += _unknown(inner, each, f"{pointer}/{at}")
        return found
    if not isinstance(data, dict) or not attrs.has(kind):
        return []
    known = _known(kind)
    found = [f"{pointer}/{_escaped(name)}" for name in data if name not in known]
    for name, inner in known.items():
        if inner is not None and name in data:
            found += _unknown(inner, data[name], f"{pointer}/{name}")
    return found


@lru_cache(64)
def _known(kind: Any) -> dict[str, Any]:
    """Return the fields of *kind*, each with the class of documents that it holds, or None."""
    types = get_type_hints(kind)
    return {each.name: _inner(types[each.name]) for each in attrs.fields(kind)}


def _inner(kind: Any) -> Any:
    if attrs.has(kind):
        return kind
    return next(filter(None, map(_inner, get_args(kind))), None)
