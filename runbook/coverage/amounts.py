"""Amounts as people write them in a guide, in Spanish or English: ``> 15 minutos``, ``25,000 messages``."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

import msgspec

Sign = Literal["above", "below", ""]

_SIGNS: dict[str, Sign] = {
    **dict.fromkeys((">", ">=", "≥", "mas de", "mayor a", "mayor que", "more than", "over", "above"), "above"),
    **dict.fromkeys(("<", "<=", "≤", "menos de", "menor a", "menor que", "less than", "under", "below"), "below"),
}
_SECONDS = {
    0.001: "ms milisegundo milisegundos millisecond milliseconds",
    1: "s seg segs segundo segundos sec secs second seconds",
    60: "min mins minuto minutos minute minutes",
    3600: "h hr hrs hora horas hour hours",
    86_400: "d dia dias day days",
    604_800: "semana semanas week weeks",
}
_BYTES = {
    1: "b bytes byte",
    1000: "kb",
    1000**2: "mb",
    1000**3: "gb",
    1000**4: "tb",
    1024: "kib",
    1024**2: "mib",
    1024**3: "gib",
    1024**4: "tib",
}
_TIMES = {1000: "k mil thousand", 10**6: "millon millones million millions", 10**9: "billion billions"}
#: What a unit's word stands for: its dimension and how many of the dimension's own unit it is.
_UNITS: dict[str, tuple[str, float]] = {
    **{word: ("s", float(size)) for size, words in _SECONDS.items() for word in words.split()},
    **{word: ("B", float(size)) for size, words in _BYTES.items() for word in words.split()},
    "%": ("%", 1.0),
    "percent": ("%", 1.0),
}
_FACTORS = {word: float(size) for size, words in _TIMES.items() for word in words.split()}
_SIGN = "|".join(sorted((re.escape(sign) for sign in _SIGNS), key=len, reverse=True))
_AMOUNT = re.compile(
    rf"(?P<sign>{_SIGN})?\s*(?<![\w.,:])(?P<number>\d+(?:[.,]\d+)*)(?![\d:])"
    r"(?:\s*(?P<factor>k|mil|millon(?:es)?|millions?|billions?|thousand)\b)?(?:\s+(?:de|of)\s+)?"
    r"\s*(?P<unit>%|[a-z]+)?(?:\s*(?:/|por|per)\s*(?P<per>[a-z]+))?"
)
#: A small m could be minutes: it is then a unit that nobody knows.
_MILLIONS = re.compile(r"(\d)\s*M\b")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}")
_IS_NUMBER = re.compile(rf"\d+(?:[.,]\d+)?|{_GROUPED.pattern}")


class Amount(msgspec.Struct, frozen=True):
    """``value`` in its dimension's own unit: ``s``, ``B``, ``%``, ``1/min``, or ``""`` for what is counted."""

    value: float
    dimension: str
    sign: Sign = ""


def amounts(words: str) -> tuple[Amount, ...]:
    """Every amount in the words, in order; spans in a row (``1 d 2 h``) are one."""
    found: list[Amount] = []
    last_end = -1
    plain = folded(_MILLIONS.sub(r"\1 millones", words))
    for match in _AMOUNT.finditer(plain):
        if not _IS_NUMBER.fullmatch(match["number"]):  # a version, an address
            continue
        amount = _amount(match)
        adjoins = plain[last_end : match.start()].strip() == "" and last_end >= 0
        if found and adjoins and not amount.sign and amount.dimension == found[-1].dimension == "s":
            before = found.pop()
            amount = Amount(before.value + amount.value, "s", before.sign)
        found.append(amount)
        last_end = match.end()
    return tuple(found)


def in_dimension(value: float, unit: str) -> Amount:
    """A number of a row in its unit (``s``, ``%``, ``1/min``, a noun) as an amount."""
    if unit.startswith("1/"):
        return Amount(value * 60 / _UNITS[unit[2:]][1], "1/min")
    dimension, size = _UNITS.get(unit.lower(), ("", 1.0))
    return Amount(value * size, dimension)


def folded(words: str) -> str:
    """Small letters without accents."""
    apart = unicodedata.normalize("NFKD", words.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _amount(match: re.Match[str]) -> Amount:
    value = _number(match["number"]) * _FACTORS.get(match["factor"] or "", 1.0)
    sign = _SIGNS.get(match["sign"] or "", "")
    dimension, size = _UNITS.get(match["unit"] or "", ("", 1.0))
    per = _UNITS.get(match["per"] or "", ("", 0.0))
    if per[0] == "s":
        return Amount(value * 60 / per[1], "1/min", sign)
    return Amount(value * size, dimension, sign)


def _number(written: str) -> float:
    """``25,000`` and ``1.000.000`` are grouped; otherwise a comma is the decimal point that many write."""
    if _GROUPED.fullmatch(written):
        return float(written.replace(",", "") if "," in written else written.replace(".", ""))
    return float(written.replace(",", "."))
