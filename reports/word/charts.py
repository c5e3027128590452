"""Charts as Word draws them itself: parts of the document, in the typeface and the colours of its theme.

A state keeps the colour that it has in every report. The numbers stand in the chart alone: there is no workbook beside
it, and the words above it say the same to whoever cannot see it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from docx.document import Document
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml.parser import parse_xml

from reports.document.blocks import Bars, Trend
from reports.figures import amount
from reports.language import Language
from reports.word.elements import element, paragraph, run
from reports.words import STANDINGS, Standing
from runbook.text import Quantity

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent.parent / "templates" / "word"
_TYPE = "application/vnd.openxmlformats-officedocument.drawingml.chart+xml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/chart"
#: English metric units in a twentieth of a point.
_EMU = 635
_COLOURS = {
    "critical": "B3211B",
    "warning": "C98500",
    "unknown": "5A4A9C",
    "waived": "1F5F8B",
    "fixed": "0B6A62",
    "ok": "2B6A3B",
    "skipped": "8A9099",
}
#: What a large number of a unit is shown in: (from, divisor, unit).
_LARGER = {
    "s": ((7200.0, 3600.0, "h"), (120.0, 60.0, "min")),
    "B": ((2e9, 1e9, "GB"), (2e6, 1e6, "MB"), (2e3, 1e3, "kB")),
}
#: Points of a line that a page can show, and from which length on its times are dates.
_POINTS, _DAYS = 200, timedelta(days=2)


class Series(msgspec.Struct, frozen=True):
    """One line of a chart: its name, its look and its points, x in days as a spreadsheet counts them."""

    name: str
    colour: str
    dashed: bool
    points: tuple[tuple[float, float], ...]


class Charts:
    """Draws charts into one document, as wide as its text; ``width`` is in twentieths of a point."""

    def __init__(self, document: Document, language: Language, width: int) -> None:
        self._part, self._language, self._width, self._count = document.part, language, width, 0

    def drawn(self, chart: Bars | Trend) -> Iterator[Any]:
        """The chart's words and the chart itself."""
        yield paragraph([run(f"{chart.title}: ", bold=True), run(chart.words)], next_=True)
        match chart:
            case Bars(bars=bars) if bars:
                yield self._paragraph(chart, self._bars(chart), share=0.055 + 0.045 * len(bars))
            case Trend(points=points):
                # Word calls a document damaged whose chart has a number that is none.
                finite = tuple(point for point in points if math.isfinite(point[1]))
                if len(finite) > 1:
                    drawn = self._trend(msgspec.structs.replace(chart, points=finite))
                    yield self._paragraph(chart, drawn, share=0.32)

    def _bars(self, chart: Bars) -> bytes:
        bars = [(name, number, _COLOURS.get(tone, "")) for name, number, tone in reversed(chart.bars)]
        return _template("bars.xml.j2").render(bars=bars, code=self._language.code).encode()

    def _trend(self, chart: Trend) -> bytes:
        numbers = [number for _, number in chart.points]
        divisor, unit = self._scale(chart.unit, max(map(abs, numbers)))
        lines = [Series(chart.title, "", dashed=False, points=self._points(chart, divisor))]
        lines += self._limits(chart, divisor, lines[0].points)
        days = chart.points[-1][0] - chart.points[0][0] >= _DAYS
        given = {"lines": lines, "unit": unit, "format": "d mmm" if days else "hh:mm", "code": self._language.code}
        return _template("trend.xml.j2").render(given).encode()

    def _scale(self, unit: str, largest: float) -> tuple[float, str]:
        """What numbers of a unit are divided by, and how the axis is named."""
        for least, divisor, larger in _LARGER.get(unit, ()):
            if largest >= least:
                return divisor, larger
        return 1.0, self._language.value(Quantity(2, unit)).removeprefix("2").strip()

    def _points(self, chart: Trend, divisor: float) -> tuple[tuple[float, float], ...]:
        each = max(1, len(chart.points) // _POINTS)
        kept = [*chart.points[:-1:each], chart.points[-1]]
        return tuple((round(_serial(self._language.local(at)), 6), round(number / divisor, 4)) for at, number in kept)

    def _limits(self, chart: Trend, divisor: float, points: tuple[tuple[float, float], ...]) -> Iterator[Series]:
        """The thresholds that are near enough to say something."""
        if chart.measure is None:
            return
        top = max(number for _, number in points)
        for tone, given in (("warning", chart.measure.warning), ("critical", chart.measure.critical)):
            limit = amount(given)
            if limit is not None and limit / divisor <= max(top * 2.5, 0):
                name = self._language.say(STANDINGS[Standing(tone)])
                ends = tuple((at, round(limit / divisor, 4)) for at in (points[0][0], points[-1][0]))
                yield Series(name, _COLOURS[tone], dashed=tone == "warning", points=ends)

    def _paragraph(self, chart: Bars | Trend, xml: bytes, share: float) -> Any:
        """The drawing, ``share`` of its width high."""
        self._count += 1
        package = self._part.package
        name = package.next_partname("/word/charts/chart%d.xml") if package else PackURI("/word/charts/chart1.xml")
        relation = self._part.relate_to(Part(name, _TYPE, xml, package), _RELATION)
        width = self._width * _EMU
        drawing = _template("drawing.xml.j2").render(
            relation=relation, width=width, height=int(width * share), number=9000 + self._count, chart=chart
        )
        return paragraph([element("w:r", parse_xml(drawing.encode()))])


def _serial(at: datetime) -> float:
    """Days since the end of 1899, as a spreadsheet counts the clock on the wall."""
    return (at.replace(tzinfo=UTC) - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1)


@functools.cache
def _template(name: str) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(_TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template(name)
