"""How durations, sizes and numbers are written: the same in the Spanish of Mexico and in English (1,234.5)."""

from __future__ import annotations

import math

_SPANS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def number(value: float) -> str:
    """Three significant digits behind the point at most, thousands grouped: ``1,234``, ``12.5``, ``0.04``."""
    if isinstance(value, float) and not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "—"
    if value < 0:
        return "−" + number(-value)
    if float(value).is_integer():
        return f"{int(value):,}"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return _trimmed(f"{value:,.{digits}f}")


def duration(seconds: float) -> str:
    """The two largest units that matter: ``850 ms``, ``4.2 s``, ``12 min 30 s``, ``2 d 4 h``."""
    if not math.isfinite(seconds):
        return number(seconds)
    if seconds < 0:
        return "−" + duration(-seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 9.95:
        return f"{_trimmed(f'{seconds:.1f}')} s"
    return _two_units(round(seconds))


def size(count: float) -> str:
    """Bytes in decimal units: ``512 B``, ``1.2 GB``."""
    power = 0
    while abs(count) >= 999.5 and power < len(_SIZES) - 1:
        count, power = count / 1000, power + 1
    digits = 1 if power and abs(count) < 99.95 else 0
    return f"{_trimmed(f'{count:,.{digits}f}')} {_SIZES[power]}"


def _two_units(total: int) -> str:
    parts = []
    for unit, seconds in _SPANS:
        amount, total = divmod(total, seconds)
        parts.append((amount, unit))
    first = next(index for index, (amount, _) in enumerate(parts) if amount)
    return " ".join(f"{amount:,} {unit}" for amount, unit in parts[first : first + 2] if amount)


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
