"""The site's own Word template: what is in it stays, what it asks for is filled in, what is wrong with it is said."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest

from reports import word
from reports.document.blocks import Code, Heading, Item, Items, Listing, Notice, Strong, Table, line
from reports.language import Language
from reports.word.template import _PLACE
from runbook.errors import ReportError
from tests.reports import factory
from tests.reports.word import documents

ES = Language("es")
BLOCKS = (
    Heading(2, line("Sección")),
    Items((Item(line("uno ", Code("x")), (Item(line("dentro")), Listing(("a\tb",)))),)),
    Items((Item(line("primero")), Item(line("segundo"))), numbered=True),
    Notice(line(Strong("cuidado"))),
    Table(("a", "b"), ((line("1"), line()),)),
)


def fill(template: Path) -> bytes:
    """The blocks in a template."""
    return word.filled(template, {"site": "S & <T>", "headline": "H", "run": "R"}, BLOCKS, ES)


def test_its_header_styles_and_signature_block_survive(tmp_path: Path) -> None:
    template = documents.office_template(tmp_path)
    content = word.render(factory.incident(), ES, template)
    document = documents.opened(content)
    assert documents.part(content, "word/styles.xml") == documents.part(template.read_bytes(), "word/styles.xml")
    assert document.sections[0].header.paragraphs[0].text == "Dirección General de Sistemas · SEP-MUSES (laboratorio)"
    assert document.sections[0].footer.paragraphs[0].text == "Oficio DGS/123/2026"
    assert document.paragraphs[0].style.name == "Oficio"
    assert document.paragraphs[0].text.startswith("Asunto: 1 falla crítica abierta")
    assert document.paragraphs[1].text == "Corrida 20261124T143105Z-7c1f"
    assert [cell.text for cell in document.tables[-1].rows[0].cells] == ["ELABORÓ: Ing. N. N.", "Vo. Bo."]
    assert document.paragraphs[-1].text == "Con copia para el expediente."
    assert documents.words(document).index("QUEUE-01") < documents.words(document).index("ELABORÓ")


def test_headings_and_tables_are_in_the_template_s_styles(tmp_path: Path) -> None:
    document = documents.opened(word.render(factory.incident(), ES, documents.office_template(tmp_path)))
    heading = next(p for p in document.paragraphs if p.text == "Resumen")
    assert heading.style.font.name == "Patria"
    assert document.tables[0].style.name == "Table Grid"
    assert document.tables[0].rows[0]._tr.find("{*}trPr/{*}tblHeader") is not None


def test_a_spanish_word_names_its_styles_otherwise(tmp_path: Path) -> None:
    file = documents.office_template(tmp_path)
    document = docx.Document(str(file))
    document.styles["Heading 1"].element.set(docx.oxml.ns.qn("w:styleId"), "Ttulo1")
    document.save(str(file))
    made = documents.opened(fill(file))
    heading = next(p for p in made.paragraphs if p.text == "Sección")
    assert heading._p.pPr.pStyle.val == "Ttulo1"


def test_a_template_without_any_of_our_styles_is_good_enough(tmp_path: Path) -> None:
    file = documents.office_template(tmp_path)
    document = docx.Document(str(file))
    for style in list(document.styles):
        if style.name not in ("Normal", "Oficio", "Default Paragraph Font"):
            style.element.getparent().remove(style.element)
    document.save(str(file))
    made = documents.opened(fill(file))
    said = documents.words(made)
    assert [said.index(w) for w in ("Sección", "uno", "dentro", "primero", "segundo", "cuidado")] == sorted(
        said.index(w) for w in ("Sección", "uno", "dentro", "primero", "segundo", "cuidado")
    )
    assert next(p for p in made.paragraphs if p.text == "Sección").runs[0].bold
    assert "•" in said
    assert "1." in said


def test_the_report_may_stand_in_a_cell(tmp_path: Path) -> None:
    document = docx.Document()
    cell = document.add_table(rows=1, cols=1).rows[0].cells[0]
    cell.text = "{{ report }}"
    document.save(str(tmp_path / "cell.docx"))
    made = documents.opened(fill(tmp_path / "cell.docx"))
    outer = made.tables[0].rows[0].cells[0]
    assert outer.paragraphs[0].text == "Sección"
    assert outer._tc[-1].tag.endswith("}p")


def test_words_cannot_take_the_report_s_place(tmp_path: Path) -> None:
    template = documents.office_template(tmp_path, "{{ site }}", "{{ report }}")
    made = documents.opened(word.filled(template, {"site": _PLACE, "headline": "", "run": ""}, BLOCKS, ES))
    said = [p.text for p in made.paragraphs]
    assert said.index("report") < said.index("Sección")


def test_properties_are_filled_and_short(tmp_path: Path) -> None:
    file = documents.office_template(tmp_path)
    document = docx.Document(str(file))
    document.core_properties.subject = "{{ site }}"
    document.save(str(file))
    assert docx.Document(documents.BytesIO(fill(file))).core_properties.subject == "S & <T>"
    long = word.filled(file, {"site": "<" * 400, "headline": "", "run": ""}, (), ES)
    assert docx.Document(documents.BytesIO(long)).core_properties.subject == "<" * 255


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("no place",), r"does not say where the report belongs: write \{\{ report \}\} into a paragraph of its own"),
        (("before {{ report }}",), "does not say where the report belongs"),
        (
            ("{{ report }}", "{{ folio }}"),
            r"a tag that cannot be filled: 'folio' is undefined\. There are .*\{\{ run \}\}",
        ),
        (("{{ report }}", "{% if %}"), "a tag that cannot be filled"),
        (("{{ report }}", "{{ ''.__class__.__mro__ }}"), "a tag that cannot be filled"),
    ],
)
def test_what_is_wrong_with_it_is_said(tmp_path: Path, lines: tuple[str, ...], told: str) -> None:
    with pytest.raises(ReportError, match=told) as error:
        fill(documents.office_template(tmp_path, *lines))
    assert "site.docx_template" in str(error.value)


def test_what_is_no_template_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"none\.docx \(site.docx_template\) cannot be read: No such file"):
        fill(tmp_path / "none.docx")
    (tmp_path / "old.docx").write_bytes(b"\xd0\xcf\x11\xe0 an old .doc")
    with pytest.raises(ReportError, match="is no Word document"):
        fill(tmp_path / "old.docx")
