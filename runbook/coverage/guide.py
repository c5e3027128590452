"""Reads a runbook in Markdown: its tables of metrics and of symptoms, its procedures, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from runbook.coverage.amounts import folded

Kind = Literal["metric", "symptom", "cause", "step", "procedure"]

#: How the columns of the tables may be headed, folded; the first that a heading begins with.
_COLUMNS = {
    "metric": ("metrica", "key metric", "metric", "indicador", "indicator"),
    "symptom": ("sintoma", "symptom", "problema", "problem"),
    "causes": ("causa", "probable cause", "cause"),
    "steps": ("paso", "resolucion", "resolution", "step", "solucion"),
    "description": ("descripcion", "description"),
    "warning": ("warning", "advertencia", "aviso"),
    "critical": ("critical", "critico"),
    "row": ("fila", "renglon", "row", "id"),
}
_FENCE = re.compile(r"\s*(```|~~~)")
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
_CELL_END = re.compile(r"(?<!\\)\|")
#: A line that is bold as a whole stands for a heading below all others.
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*$|\*\*([^*]+)\*\*\s*$")
_BOLD = 7
_LISTED = re.compile(r"[-*+]\s+(.*)|(\d+(?:\.\d+)+\.?\s.*)")
_NUMBERED = re.compile(r"(\d+(?:\.\d+)+)\.?\s+")
_PROCEDURES = ("procedimiento", "procedure", "mantenimiento", "maintenance")
_SILENT = re.compile(r"[…\s.—–-]*")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the guide states. ``under`` is the symptom of a cause or step; ``number`` a procedure's own (``4.1``).

    ``more`` is a metric's description, or the text of a procedure below its name.
    ``warning`` and ``critical`` are a metric's cells: None where its table has no such column.
    """

    kind: Kind
    words: str
    line: int
    more: str = ""
    warning: str | None = None
    critical: str | None = None
    under: str = ""
    number: str = ""


class Guide(msgspec.Struct, frozen=True):
    """What was understood, in the order of the text, and the lines where tables of another form begin."""

    items: tuple[Item, ...]
    other_tables: tuple[int, ...]


def read(source: str) -> Guide:
    """Take a guide apart. Code blocks and rows of ellipses say nothing."""
    lines = _without_code(source)
    items: list[Item] = []
    others: list[int] = []
    for number, header, body in _tables(lines):
        columns = _columns(header)
        if "metric" in columns or "symptom" in columns:
            items += [item for line, cells in body for item in _of_row(columns, cells, line)]
        else:
            others.append(number)
    items += _procedures(lines)
    return Guide(tuple(sorted(items, key=lambda item: item.line)), tuple(others))


def _without_code(source: str) -> list[str]:
    lines, fence = [], ""
    for line in source.splitlines():
        mark = _FENCE.match(line)
        fenced = bool(fence)
        if mark and (not fence or mark[1] == fence):
            fence = "" if fence else mark[1]
            fenced = True
        lines.append("" if fenced else line)
    return lines


def _tables(lines: list[str]) -> Iterator[tuple[int, list[str], list[tuple[int, list[str]]]]]:
    """The line of the header (the first is 1), its cells, and the rows below the rule."""
    place = 1
    while place < len(lines):
        if "|" in lines[place - 1] and "-" in lines[place] and _RULE.fullmatch(lines[place]):
            end = place + 1
            while end < len(lines) and "|" in lines[end]:
                end += 1
            body = [(number + 1, _cells(lines[number])) for number in range(place + 1, end)]
            yield place, _cells(lines[place - 1]), body
            place = end
        place += 1


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|")
    inside = inside[:-1] if inside.endswith("|") and not inside.endswith("\\|") else inside
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(inside)]


def _columns(header: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, heading in enumerate(header):
        plain = folded(heading).strip("*_` ")
        name = next((name for name, words in _COLUMNS.items() if plain.startswith(words)), None)
        if name is not None:
            found.setdefault(name, place)
    return found


def _of_row(columns: dict[str, int], cells: list[str], line: int) -> Iterator[Item]:
    def cell(name: str) -> str:
        return cells[columns[name]] if name in columns and columns[name] < len(cells) else ""

    def limit(name: str) -> str | None:
        return cell(name) if name in columns else None

    pinned = f" {cell('row')}" if cell("row") else ""
    if words := _said(cell("metric")):
        more = cell("description")
        yield Item(
            kind="metric",
            words=words + pinned,
            line=line,
            more=more,
            warning=limit("warning"),
            critical=limit("critical"),
        )
    if words := _said(cell("symptom")):
        yield Item(kind="symptom", words=words + pinned, line=line)
        for kind, name in (("cause", "causes"), ("step", "steps")):
            for one in _listed(cell(name)):
                yield Item(kind=kind, words=one, line=line, under=words + pinned)  # type: ignore[arg-type]


def _listed(cell: str) -> list[str]:
    """The parts of a cell: by its running numbers, else by its line breaks."""
    parts, rest, number = [], cell, 1
    while at := re.search(rf"(?:^|\s|>|\.){number}[.)]\s+", rest):
        parts.append(rest[: at.start() + (rest[at.start()] == ".")])
        rest, number = rest[at.end() :], number + 1
    parts.append(rest)
    return [said for part in parts for one in re.split(r"<br\s*/?>", part) if (said := _said(one))]


def _said(words: str) -> str:
    """The words without the marks of Markdown around them; empty where they are only an ellipsis."""
    plain = re.sub(r"\\([*_`|<>\[\]])", r"\1", words.replace("**", "")).strip(" \t-•").rstrip(".").strip()
    return "" if _SILENT.fullmatch(plain) else plain


def _procedures(lines: list[str]) -> Iterator[Item]:
    """The numbered headings and list items of a section of procedures, each with the text below it."""
    begun, words = 0, ""
    for number, line in _inside(lines):
        name = _name(line, first=not begun)
        if name:
            yield from _procedure(words, begun)
            begun, words = number, name
        elif begun:
            words = f"{words} {line.strip()}".rstrip(" ")
    yield from _procedure(words, begun)


def _inside(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The lines of the sections whose heading speaks of procedures, without that heading."""
    depth = 0
    for number, line in enumerate(lines, start=1):
        heading = _heading(line)
        if heading and (not depth or heading[0] <= depth):
            depth = heading[0] if any(word in folded(heading[1]) for word in _PROCEDURES) else 0
        elif depth:
            yield number, line


def _name(line: str, *, first: bool) -> str:
    """The name of a procedure that begins in this line, ended by a line break where it is a heading; else nothing."""
    if heading := _heading(line):
        return f"{heading[1]}\n"
    listed = _LISTED.match(line)
    words = (listed[1] or listed[2]) if listed else ""
    return words if first or _NUMBERED.match(words) else ""


def _heading(line: str) -> tuple[int, str] | None:
    """Its depth, 1 to 7, and its words."""
    found = _HEADING.match(line)
    if found is None:
        return None
    return (_BOLD, found[3]) if found[3] else (len(found[1]), found[2])


def _procedure(words: str, line: int) -> Iterator[Item]:
    numbered = _NUMBERED.match(words)
    name, _, more = (words[numbered.end() :] if numbered else words).partition("\n")
    if "\n" not in words:
        name, _, more = name.partition(". ")
    if line and (said := _said(name)):
        yield Item(kind="procedure", words=said, line=line, more=_said(more), number=numbered[1] if numbered else "")
