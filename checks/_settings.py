"""A setting of the server against what the site declares: the same value may be written in several ways. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runbook.limits import Limits
from runbook.model import State
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.health_structs import Setting

_TRUE, _FALSE = ("on", "true", "yes", "1"), ("off", "false", "no", "0")
#: The server's units, in bytes and in microseconds.
_BYTES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_AMOUNT = re.compile(r"\s*([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*([A-Za-z]*)\s*")


def judge(name: str, declared: str, setting: Setting | None, limits: Limits) -> None:
    """One setting; one that the server does not know, or does not show us, is not the same."""
    if setting is None:
        limits.cannot_see(text("The server shows no setting {name}: see database.baseline", name=name))
        return
    given = {"name": name, "value": setting.shown, "declared": declared}
    if same(setting, declared):
        limits.hold(State.OK, of=name, summary=text("{name} is {value}", name=name, value=setting.shown))
    else:
        words = text("{name} is {value}, where the site declares {declared} ({source})", source=setting.source, **given)
        limits.hold(State.WARNING, of=name, summary=words)


def same(setting: Setting, declared: str) -> bool:
    """Whether both mean the same to the server."""
    match setting.kind:
        case "bool":
            return _truth(setting.value) == _truth(declared)
        case "integer" | "real":
            here, there = _number(setting.value, setting.unit), _number(declared, setting.unit)
            return there is not None and here == there
        case "enum":
            return setting.value.casefold() == declared.strip().casefold() or _alike(setting.value, declared)
        case _:
            return _words(setting.value) == _words(declared)


def _truth(words: str) -> bool | str:
    plain = words.strip().casefold()
    return True if plain in _TRUE else False if plain in _FALSE else plain


def _alike(value: str, declared: str) -> bool:
    """Some enumerations take the words of a truth value too."""
    return isinstance(_truth(value), bool) and _truth(value) == _truth(declared)


def _words(value: str) -> str:
    """Lists are separated by a comma and any room."""
    return ",".join(part.strip() for part in value.split(","))


def _number(words: str, unit: str) -> float | None:
    """An amount in the setting's smallest unit; a bare number is in the setting's own. None where it is no amount."""
    found = _AMOUNT.fullmatch(words)
    if found is None:
        return None
    amount, written = float(found[1]), found[2]
    if not written:
        return amount if amount < 0 else amount * (_scale(unit) or 1)
    scale = _scale(written)
    same_kind = (written in _BYTES) == _is_bytes(unit)
    return amount * scale if scale is not None and unit and same_kind else None


def _is_bytes(unit: str) -> bool:
    return unit.lstrip("0123456789") in _BYTES


def _scale(unit: str) -> float | None:
    """What one unit is, such as ``8kB``; None where the server knows none of the name."""
    count, name = re.fullmatch(r"(\d*)(\w*)", unit).groups()  # type: ignore[union-attr]
    each = _BYTES.get(name) or _MICROSECONDS.get(name)
    return each * int(count or 1) if each else None
