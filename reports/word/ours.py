"""Our Word template, made by ``python -m reports.word.ours``: change it here, never by hand.

A site that has a template of its own starts from it or from this one: see ``docs/how-to/hand-in.md``.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docx
from docx.enum.text import WD_TAB_ALIGNMENT
from docx.shared import Cm, Pt, RGBColor
from docx.styles.style import ParagraphStyle

from reports.word import OURS
from reports.word.elements import element, paragraph, run
from reports.word.template import saved

_INK, _DIM = RGBColor(0x1B, 0x1F, 0x24), RGBColor(0x59, 0x61, 0x6B)
#: Style, size in points, space before and after.
_SIZES = (
    ("Normal", 10, 0, 4),
    ("Body Text", 10, 0, 5),
    ("No Spacing", 9, 1, 1),
    ("Title", 20, 0, 6),
    ("Subtitle", 10, 0, 2),
    ("Heading 1", 14, 16, 5),
    ("Heading 2", 12, 12, 4),
    ("Heading 3", 11, 10, 3),
    ("List Bullet", 10, 0, 2),
    ("List Bullet 2", 10, 0, 2),
    ("List Bullet 3", 10, 0, 2),
)
_WIDTH = Cm(17)


def made() -> bytes:
    """The template, the same bytes each time."""
    document = docx.Document()
    _page(document)
    _styles(document)
    _header_and_footer(document)
    _first_page(document)
    _signatures(document)
    properties = document.core_properties
    properties.author, properties.title, properties.comments = "muses-runbook", "{{ title }}", ""
    properties.created = properties.modified = datetime(2026, 11, 25, tzinfo=UTC)
    return saved(_without_thumbnail(document))


def _page(document: Any) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2)
    section.top_margin, section.bottom_margin = Cm(2.4), Cm(2)


def _styles(document: Any) -> None:
    for name, size, before, after in _SIZES:
        style: ParagraphStyle = document.styles[name]
        style.font.size, style.font.color.rgb = Pt(size), _DIM if name == "Subtitle" else _INK
        style.font.italic = False
        _in_the_typeface(style)
        style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(before), Pt(after)
    document.styles["Normal"].element.rPr.append(element("w:lang", val="es-MX"))


def _in_the_typeface(style: Any) -> None:
    """One typeface for all, whatever the theme says."""
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    fonts.attrib.clear()
    style.font.name = "Calibri"
    for rule in style.element.iter("{*}pBdr"):
        rule.getparent().remove(rule)


def _header_and_footer(document: Any) -> None:
    section = document.sections[0]
    for part, words in (
        (section.header, "{{ site }} · {{ environment }}\t{{ kind }}"),
        (section.footer, "{{ run }}\t"),
    ):
        line = part.paragraphs[0]
        line.style.font.size, line.style.font.color.rgb = Pt(8.5), _DIM
        line.text = words
        stops = line.paragraph_format.tab_stops
        line.style.paragraph_format.tab_stops.clear_all()
        stops.add_tab_stop(_WIDTH, WD_TAB_ALIGNMENT.RIGHT)
    section.footer.paragraphs[0]._p.extend([*_field("PAGE"), run(" / "), *_field("NUMPAGES")])


def _field(name: str) -> list[Any]:
    """A number that Word counts."""
    kinds = (element("w:fldChar", fldCharType=kind) for kind in ("begin", "separate", "end"))
    begin, separate, end = (element("w:r", kind) for kind in kinds)
    instruction = element("w:instrText")
    instruction.text = name
    return [begin, element("w:r", instruction), separate, run("1"), end]


def _first_page(document: Any) -> None:
    document.add_paragraph("{{ kind }} · {{ site }} · {{ environment }}", style="Subtitle")
    document.add_paragraph("{{ headline }}", style="Title")
    document.add_paragraph("{{ started }} · {{ took }} · {{ mode }}", style="Subtitle")
    document.add_paragraph("{%p if interrupted %}")
    document.add_paragraph("{{ interrupted }}", style="Intense Quote")
    document.add_paragraph("{%p endif %}")
    document.add_paragraph("{{ report }}")


def _signatures(document: Any) -> None:
    """Three signatures that stay together on one page."""
    table = document.add_table(rows=1, cols=3)
    table.rows[0]._tr.get_or_add_trPr().append(element("w:cantSplit"))
    for cell, who in zip(table.rows[0].cells, ("prepared", "reviewed", "approved"), strict=True):
        cell.paragraphs[0].paragraph_format.space_before = Pt(48)
        cell._tc.append(paragraph([run("_" * 26)], next_=True))
        cell._tc.append(paragraph([run(f"{{{{ {who} }}}}", bold=True)]))


def _without_thumbnail(document: Any) -> Any:
    """The picture of an empty page that python-docx begins with."""
    relations = document.part.package.rels
    for name in [name for name, relation in relations.items() if relation.reltype.endswith("/thumbnail")]:
        del relations[name]
    return document


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OURS
    target.write_bytes(made())
