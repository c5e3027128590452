"""Durations and sizes: how people write them in a site file.

Durations are ``timedelta``, sizes are ``int`` bytes. How they are *shown* is the reports' business.
"""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_duration(text: str) -> timedelta:
    """Read ``"15 min"``, ``"45s"``, ``"1 h 30 min"``, ``"90 d"``.

    Raises ``ValueError`` naming the units that are known.
    """
    return timedelta(seconds=_sum_of(text, _SECONDS, example="15 min"))


def parse_size(text: str) -> int:
    """Read ``"512 MiB"``, ``"2 GB"``: bytes.

    Raises ``ValueError`` naming the units that are known.
    """
    return round(_sum_of(text, _BYTES, example="2 GB"))


def exact_size(count: int) -> str:
    """Bytes in the largest unit that they are a whole number of: ``"10 GiB"``, as :func:`parse_size` reads it."""
    whole = [unit for unit, size in _BYTES.items() if count % size == 0] if count else ["B"]
    unit = max(whole, key=_BYTES.__getitem__)
    return f"{count // _BYTES[unit]} {unit}"


def _sum_of(text: str, units: dict[str, float] | dict[str, int], *, example: str) -> float:
    position, total = 0, 0.0
    while position < len(text) or position == 0:
        match = _AMOUNT.match(text, position)
        if match is None or match[2] not in units:
            raise ValueError(f"{text!r} is not of the form {example!r} (units: {', '.join(units)})")
        total += float(match[1]) * units[match[2]]
        position = match.end()
    return total
