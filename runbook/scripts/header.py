"""The comment header of a SQL row: all of it optional, so that a script which knows nothing of us is a row as it is.

Only the comments before the first statement are looked at. What is not one of our keys is a comment like any other;
a key of ours with a bad value is a problem of the row, told in its place, and stops nobody else.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator
from datetime import timedelta

import msgspec

from runbook.limits import Amount, Threshold
from runbook.text import Text, text
from runbook.units import parse_duration, parse_size

KEYS = ("id", "title", "title-en", "why", "why-en", "severity", "warning", "critical", "params", "timeout")
COUNT = "count"
_ENTRY = re.compile(r"([A-Za-z-]+)\s*:\s*(.*)")
_LIMIT = re.compile(r"(?:(?P<column>[^\W\d]\w*)\s*(?=[<>]))?(?P<sign>[<>]?)(?!=)\s*(?P<amount>-?[\d.].*)")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_COMMENT = re.compile(r"\s*(?:--(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/|(?P<meta>\\[^\n]*))", re.DOTALL)
_RULE = re.compile(r"[-=*#_/\\+~ \t]*")
_SEVERITIES = {
    **dict.fromkeys(("warning", "advertencia"), "warning"),
    **dict.fromkeys(("critical", "critico", "critica"), "critical"),
}
_LONGEST_TITLE = 160


class Header(msgspec.Struct):
    """What a script says of itself; ``title`` and ``why`` in English and Spanish, the same where only one is given.

    ``subject`` is the column that decides, or ``count``.
    """

    id: str
    title: tuple[str, str]
    why: tuple[str, str] = ("", "")
    subject: str = COUNT
    threshold: Threshold = msgspec.field(default_factory=lambda: Threshold(0, None, unit="findings"))
    parameters: dict[str, str | None] = msgspec.field(default_factory=dict)
    timeout: timedelta | None = None
    problems: list[Text] = msgspec.field(default_factory=list)


def read(source: str, name: str) -> Header:
    """The header of a script; ``name`` is its path within its folder, without the ending."""
    lines = list(_comments(source))
    given = _entries(lines)
    spanish = given.get("title") or _first_words(lines) or _spoken(name) or id_of(name)
    titles = (given.get("title-en", spanish)[:_LONGEST_TITLE], spanish[:_LONGEST_TITLE])
    header = Header(id=id_of(name), title=titles)
    header.why = (given.get("why-en", given.get("why", "")), given.get("why", ""))
    _take_id(header, given)
    _take_parameters(header, given)
    _take_timeout(header, given)
    _take_limits(header, given)
    header.problems += _misspelt(lines, given)
    return header


def id_of(name: str) -> str:
    """The id that a file's name gives: ``lotes/curp duplicada`` is ``LOTES-CURP-DUPLICADA``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-").upper()[:60] or "SQL"


def _comments(source: str) -> Iterator[str]:
    place = 0
    while match := _COMMENT.match(source, place):
        place = match.end()
        for line in (match["line"] or match["block"] or "").splitlines():
            if words := line.strip().lstrip("*-#").strip():
                yield words


def _entries(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        if entry and entry[1].lower() in KEYS and entry[2].strip():
            found.setdefault(entry[1].lower(), entry[2].strip())
    return found


def _first_words(lines: list[str]) -> str:
    """The first comment that says something; a rule of dashes and one of our keys do not."""
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        if not _RULE.fullmatch(line) and not (entry and entry[1].lower() in KEYS):
            return line.strip("-=*# ")
    return ""


def _spoken(name: str) -> str:
    return re.sub(r"[_/-]+", " ", name).strip().capitalize()


def _take_id(header: Header, given: dict[str, str]) -> None:
    if "id" not in given:
        return
    if _ID.fullmatch(given["id"]):
        header.id = given["id"]
    else:
        header.problems.append(text("id: {id} has other signs than letters, digits, - and _", id=given["id"]))


def _take_parameters(header: Header, given: dict[str, str]) -> None:
    for one in filter(None, (word.strip() for word in given.get("params", "").split(","))):
        name, equals, default = (part.strip() for part in one.partition("="))
        if re.fullmatch(r"\w+", name):
            header.parameters[name] = default.strip("'\"") if equals else None
        else:
            header.problems.append(text("params: {name} is no name of a parameter", name=name))


def _take_timeout(header: Header, given: dict[str, str]) -> None:
    if "timeout" not in given:
        return
    try:
        header.timeout = parse_duration(given["timeout"])
    except ValueError as error:
        header.problems.append(text("timeout: {error}", error=str(error)))
    else:
        if header.timeout < timedelta(seconds=1):
            header.problems.append(text("timeout: {timeout} is less than a second", timeout=header.timeout))


def _take_limits(header: Header, given: dict[str, str]) -> None:
    limits: dict[str, str] = {name: given[name] for name in ("warning", "critical") if name in given}
    if "severity" in given:
        _take_severity(header, given["severity"], limits)
    if not limits:
        return
    read_ = {name: _LIMIT.fullmatch(words) for name, words in limits.items()}
    for name, match in read_.items():
        if match is None:
            example = "count > 10"
            header.problems.append(
                text("{name}: {given} is not of the form {example}", name=name, given=limits[name], example=example)
            )
    matches = {name: match for name, match in read_.items() if match is not None}
    if len(matches) == len(read_):
        _take_threshold(header, matches)


def _take_severity(header: Header, given: str, limits: dict[str, str]) -> None:
    plain = unicodedata.normalize("NFKD", given.lower()).encode("ascii", "ignore").decode()
    severity = _SEVERITIES.get(plain)
    if severity is None:
        header.problems.append(text("severity: {given} is neither warning nor critical", given=given))
    elif limits:
        header.problems.append(text("severity: warning and critical say already how bad it is"))
    elif severity == "critical":
        header.threshold = Threshold(None, 0, unit="findings")


def _take_threshold(header: Header, matches: dict[str, re.Match[str]]) -> None:
    subjects = {(match["column"] or COUNT).lower() for match in matches.values()}
    signs = {match["sign"] or ">" for match in matches.values()}
    if len(subjects) > 1 or len(signs) > 1:
        header.problems.append(text("warning and critical are about the same column, in the same direction"))
        return
    header.subject = subjects.pop()
    try:
        amounts = {name: _amount(match["amount"].strip(), header.subject) for name, match in matches.items()}
    except ValueError as error:
        header.problems.append(text("warning, critical: {error}", error=str(error)))
        return
    units = {unit for _, unit in amounts.values()}
    if len(units) > 1:
        header.problems.append(text("warning and critical are of the same unit"))
        return
    warning, critical = (amounts[name][0] if name in amounts else None for name in ("warning", "critical"))
    header.threshold = Threshold(warning, critical, units.pop(), "above" if signs == {">"} else "below")


def _amount(words: str, subject: str) -> tuple[Amount, str]:
    """A limit and its unit: a number, ``90 %``, a duration or a size. Raises ValueError."""
    number, percent = words.removesuffix("%").strip(), words.endswith("%")
    try:
        return float(number), "findings" if subject == COUNT else "%" if percent else ""
    except ValueError:
        pass
    if subject == COUNT:
        raise ValueError(f"{words!r} is no number of rows")
    try:
        return parse_duration(words), "s"
    except ValueError:
        return parse_size(words), "B"


def _misspelt(lines: list[str], given: dict[str, str]) -> Iterator[Text]:
    """A key that is nearly one of ours, in a script that has others of them."""
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        word = entry[1].lower() if entry else ""
        near = difflib.get_close_matches(word, KEYS, n=1, cutoff=0.84)
        if given and near and word not in KEYS:
            yield text("{word}: did you mean {key}?", word=word, key=near[0])
