"""Templates as an office has them, and documents opened as Word opens them."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml.parser import parse_xml
from docx.shared import Pt

_DRAWN = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"


def office_template(folder: Path, *lines: str) -> Path:
    """A letterhead with its own style, header and signature block; Word split one of its tags over three runs."""
    document = docx.Document()
    own = document.styles.add_style("Oficio", WD_STYLE_TYPE.PARAGRAPH)
    own.font.size = Pt(13)
    document.styles["Heading 1"].font.name = "Patria"
    document.sections[0].header.paragraphs[0].text = "Dirección General de Sistemas · {{ site }}"
    document.sections[0].footer.paragraphs[0].text = "Oficio DGS/123/2026"
    document.add_paragraph("Asunto: {{ headline }}", style="Oficio")
    split = document.add_paragraph("Corrida ")
    for part in ("{", "{ ru", "n }}"):
        split.add_run(part).bold = part == "{ ru"
    for line in lines or ("{{ report }}",):
        document.add_paragraph(line)
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "ELABORÓ: Ing. N. N.", "Vo. Bo."
    document.add_paragraph("Con copia para el expediente.")
    document.core_properties.title = "Plantilla"
    file = folder / "oficio.docx"
    document.save(str(file))
    return file


def opened(content: bytes) -> Any:
    """The document, every part of it well-formed, every row of a table as wide as its table."""
    with zipfile.ZipFile(BytesIO(content)) as file:
        assert file.testzip() is None
        assert len(file.namelist()) == len(set(file.namelist()))
        for name in file.namelist():
            if name.endswith((".xml", ".rels")):
                parse_xml(file.read(name))
    document = docx.Document(BytesIO(content))
    for table in document.element.body.iter("{*}tbl"):
        columns = len(table.findall("{*}tblGrid/{*}gridCol"))
        assert {len(row.findall("{*}tc")) for row in table.findall("{*}tr")} == {columns}
    return document


def words(document: Any) -> str:
    """All words of the body, in order, a line for each paragraph."""
    lines = ("".join(t.text or "" for t in p.iter("{*}t")) for p in document.element.body.iter("{*}p"))
    return "\n".join(lines)


def part(content: bytes, name: str) -> bytes:
    """One file of a document."""
    with zipfile.ZipFile(BytesIO(content)) as file:
        return file.read(name)


def charts(document: Any) -> list[Any]:
    """The chart of each drawing, in the order in which they are shown."""
    drawn = document.element.body.iter(f"{_DRAWN}chart")
    name = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
    return [parse_xml(document.part.related_parts[chart.get(name)].blob) for chart in drawn]


def numbers(chart: Any, axis: str) -> list[float]:
    """The numbers of the first series on an axis (``xVal``, ``yVal``, ``val``)."""
    series = next(chart.iter(f"{_DRAWN}ser"))
    return [float(v.text) for v in series.find(f"{_DRAWN}{axis}").iter(f"{_DRAWN}v")]
