"""Find and read the site file: one TOML file, with environment variables on top.

It is looked for in ``$MUSES_RUNBOOK_SETTINGS``, the working folder (``muses-runbook.toml``, a lab's
``.lab/site.toml``), ``$XDG_CONFIG_HOME/muses-runbook/settings.toml`` and ``/etc/muses-runbook/settings.toml``, in that
order; the first that exists is the only one read. A variable overrides one key, such as
``MUSES_RUNBOOK__ENVIRONMENTS__PROD__DATABASE__HOST=db1``.
"""

from __future__ import annotations

import os
import re
import tomllib
import typing
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from runbook.decoding import BadValue, Readers, decoded, line_of
from runbook.errors import SettingsError
from runbook.settings import Settings, Size
from runbook.units import parse_duration, parse_size

T = typing.TypeVar("T")
FILE_NAME = "muses-runbook.toml"
#: The lab in the working folder: before the machine's own file, so that practice never reaches production.
LAB = Path(".lab/site.toml")
VARIABLE = "MUSES_RUNBOOK_SETTINGS"
OVERRIDE = "MUSES_RUNBOOK__"


def load(file: Path | None = None, variables: Mapping[str, str] | None = None) -> Settings:
    """Read the site file and the overriding variables. Raises SettingsError with file, line, key and nearest name."""
    variables = os.environ if variables is None else variables
    file = file or find(variables)
    source = _text_of(file)
    try:
        tables: dict[str, Any] = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise _malformed(error, file) from None
    for path, value in _overrides(variables):
        _put(tables, path, value)
    settings = _decode(tables, source, file, Settings)
    return msgspec.structs.replace(settings, file=file)


def read(file: Path, kind: type[T]) -> T:
    """Another TOML file of the site as ``kind``. Raises SettingsError with file, line, key and nearest name."""
    source = _text_of(file)
    try:
        return _decode(tomllib.loads(source), source, file, kind)
    except tomllib.TOMLDecodeError as error:
        raise _malformed(error, file) from None


def find(variables: Mapping[str, str] | None = None) -> Path:
    """The site file that counts. Raises SettingsError that lists where it was looked for."""
    variables = os.environ if variables is None else variables
    if VARIABLE in variables:
        return Path(variables[VARIABLE])
    config = Path(variables.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = (
        Path(FILE_NAME),
        LAB,
        config / "muses-runbook" / "settings.toml",
        Path("/etc/muses-runbook/settings.toml"),
    )
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(map(str, places))
    raise SettingsError(
        f"no site file found (looked for {looked}); write one with 'muses-runbook init' or name it in {VARIABLE}"
    )


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(f"the file cannot be read: {reason}", file=file) from None


def _malformed(error: tomllib.TOMLDecodeError, file: Path) -> SettingsError:
    at = re.search(r"at line (\d+)", str(error))
    return SettingsError(f"not valid TOML: {error}", file=file, line=int(at[1]) if at else None)


def _overrides(variables: Mapping[str, str]) -> list[tuple[list[str], str]]:
    named = [(n, v) for n, v in variables.items() if n.startswith(OVERRIDE)]
    return [(n.removeprefix(OVERRIDE).lower().split("__"), v) for n, v in sorted(named)]


def _put(tables: dict[str, Any], path: list[str], value: str) -> None:
    *parents, key = path
    for parent in parents:
        known = next((k for k in tables if k.lower() == parent), parent)
        tables = tables.setdefault(known, {})
    known = next((k for k in tables if k.lower() == key), key)
    try:
        tables[known] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        tables[known] = value


def _decode(tables: dict[str, Any], source: str, file: Path, kind: type[T]) -> T:
    try:
        return typing.cast(T, decoded(tables, kind, READERS))
    except BadValue as bad:
        raise SettingsError(
            bad.message,
            key=".".join(bad.path) or None,
            file=file,
            line=line_of(bad.path, source),
            nearest=bad.nearest,
        ) from None


def _duration(value: Any) -> timedelta:
    return parse_duration(_with_unit(value, "15 min"))


def _size(value: Any) -> Size:
    return Size(parse_size(_with_unit(value, "4 MiB")))


def _path(value: Any) -> Path:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no path")
    return Path(value).expanduser()


def _with_unit(value: Any, example: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} needs its unit, as in {example!r}")
    return value


READERS: Readers = {timedelta: _duration, Size: _size, Path: _path}
