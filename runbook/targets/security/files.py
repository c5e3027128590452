"""Credentials that stand where others can read them: in the site file itself, or in files that are not kept.

A file's mode counts only where others get to it: a folder above that shuts them out keeps everything in it.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from runbook.settings import Secret
from runbook.settings.site import EnvironmentSettings
from runbook.targets.security.settings_walk import walked
from runbook.targets.security.structs import InClear, Kept
from runbook.text import text

_ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_BEARER = re.compile(r"\b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}")
#: A value given beside its name in a command's arguments, but not a reference to where it is.
_ARGUMENT = re.compile(r"(?:passw(?:or)?d|secret|token|api[_-]?key)\s*=\s*(?![{$<])\S+", re.IGNORECASE)
_NAME = re.compile(r"(?:.*[._-])?(?:passw(?:or)?d|secret|token|api_?key)", re.IGNORECASE)


def kept(file: Path | None, settings: EnvironmentSettings, setting: str) -> Iterator[Kept]:
    """The site file, and each file that a credential is in."""
    if file is not None:
        yield _seen("site", file, "settings")
    for name, value in walked(settings, setting):
        if isinstance(value, Secret) and value.file is not None:
            yield _seen(name, value.file, "credential")


def in_clear(settings: EnvironmentSettings, setting: str) -> Iterator[InClear]:
    """Each setting whose value is a credential itself, or holds one."""
    for name, value in walked(settings, setting):
        if isinstance(value, Secret):
            yield from (InClear(setting=name, kind="argv") for part in value.command or () if _ARGUMENT.search(part))
        elif isinstance(value, str):
            yield from _found(name, value)


def _found(name: str, value: str) -> Iterator[InClear]:
    if _has_password(value):
        yield InClear(setting=name, kind="URL")
    elif _ACCESS_KEY.search(value):
        yield InClear(setting=name, kind="AKIA")
    elif _PRIVATE_KEY.search(value):
        yield InClear(setting=name, kind="PRIVATE KEY")
    elif _BEARER.search(value):
        yield InClear(setting=name, kind="Bearer")
    elif "[" in name.rpartition(".")[2] and _ARGUMENT.search(value):
        yield InClear(setting=name, kind="argv")
    elif value and _NAME.fullmatch(name.rpartition(".")[2]):
        yield InClear(setting=name, kind="TOML")


def _has_password(value: str) -> bool:
    try:
        return bool("://" in value and urlsplit(value).password)
    except ValueError:
        return False


def _seen(setting: str, path: Path, holds: Literal["settings", "credential"]) -> Kept:
    named: dict[str, Any] = {"setting": setting, "path": str(path), "holds": holds}
    try:
        path = path.resolve(strict=True)
        mode, folder = path.stat().st_mode, path.parent.stat().st_mode
        reached = all(above.stat().st_mode & stat.S_IXOTH for above in path.parents)
    except OSError as error:
        why = text("{path} cannot be seen: {problem}", path=str(path), problem=error.strerror or type(error).__name__)
        return Kept(**named, problem=why)
    replaced = folder & stat.S_IWOTH and not folder & stat.S_ISVTX
    return Kept(
        **named,
        others_read=bool(reached and mode & stat.S_IROTH),
        others_write=bool(reached and (mode & stat.S_IWOTH or replaced)),
        group_writes=bool(mode & stat.S_IWGRP),
    )
