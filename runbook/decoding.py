"""Decode nested tables into frozen structs, key by key, so that an error knows exactly where it stands.

msgspec decodes a whole document at once and then names a table inside a mapping only as ``[...]``: a tired person
needs the key, its line and the nearest right name.
"""

from __future__ import annotations

import difflib
import functools
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec


class BadValue(Exception):
    """What is wrong at ``path``, and the right name that is nearest to a wrong one."""

    def __init__(self, path: list[str], message: str, nearest: str | None = None) -> None:
        self.path, self.message, self.nearest = path, message, nearest
        super().__init__(message)


#: How the kinds that TOML has no form for are read: durations, sizes, paths.
Readers = Mapping[Any, Callable[[Any], object]]


def decoded(value: Any, kind: Any, readers: Readers, path: list[str] | None = None) -> Any:
    """``value`` as ``kind``. Raises BadValue for an unknown or missing key and for a bad value."""
    path = path or []
    kind = _meant(kind, readers) if value is not None else kind
    if _is_struct(kind):
        return _struct(value, kind, readers, path)
    if typing.get_origin(kind) is dict and isinstance(value, dict):
        inner = typing.get_args(kind)[1]
        return {key: decoded(v, inner, readers, [*path, key]) for key, v in value.items()}
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        inner = typing.get_args(kind)[0]
        return tuple(decoded(v, inner, readers, [*path, str(place)]) for place, v in enumerate(value, 1))
    if kind in readers:
        return _leaf(functools.partial(readers[kind], value), path)
    return _leaf(functools.partial(msgspec.convert, value, kind, strict=False), path)


def nearest_to(name: str, known: Iterable[str]) -> str | None:
    """The known name that was most likely meant."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def line_of(path: list[str], source: str) -> int | None:
    """The line of a TOML text where a key stands, or its closest table; None where the text shows neither."""
    table: list[str] = []
    line, depth = None, 0
    for number, content in enumerate(source.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", content):
            here = table = _keys(header[1])
        elif entry := re.match(r"\s*([\w.\"'-]+)\s*=", content):
            here = table + _keys(entry[1])
        else:
            continue
        if here == path[: len(here)] and len(here) > depth:
            line, depth = number, len(here)
    return line


def _struct(value: Any, kind: Any, readers: Readers, path: list[str]) -> Any:
    if not isinstance(value, dict):
        raise BadValue(path, f"expected {getattr(kind, 'EXPECTED', 'a table')}")
    hints = {f.name: typing.get_type_hints(kind)[f.name] for f in msgspec.structs.fields(kind)}
    for key in value:
        if key not in hints:
            raise BadValue([*path, key], "unknown key", nearest_to(key, hints))
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in value:
            raise BadValue(path, f"the key {field.name!r} is missing here")
    fields = {k: decoded(v, hints[k], readers, [*path, k]) for k, v in value.items()}
    return _leaf(functools.partial(kind, **fields), path)


def _leaf(make: Callable[[], Any], path: list[str]) -> Any:
    try:
        return make()
    except (msgspec.ValidationError, ValueError) as error:
        raise BadValue(path, str(error)) from None


def _meant(kind: Any, readers: Readers) -> Any:
    """The struct, or the kind with a reader, in a union with None; anything else as it is."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next((a for a in typing.get_args(kind) if _is_struct(a) or a in readers), kind)
    return kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _keys(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
