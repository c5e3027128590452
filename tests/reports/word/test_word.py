"""A run as a Word document: complete, valid whatever it is fed, the same bytes each time."""

from __future__ import annotations

import math
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

import reports
from reports import word
from reports.document.blocks import Table, Trend, line
from reports.language import Language
from reports.word import ours
from runbook.errors import ReportError
from tests.reports import factory
from tests.reports.word import documents

replace = msgspec.structs.replace
ES, EN = Language("es"), Language("en")


@pytest.mark.parametrize("language", [ES, EN], ids=["es", "en"])
def test_it_tells_everything_and_has_a_signature_block(language: Language) -> None:
    run = factory.incident()
    document = documents.opened(word.render(run, language))
    said = documents.words(document)
    for record in run.records:
        assert record.row in said
        for finding in record.findings:
            assert language.say(finding.cause) in said
    assert said.index("QUEUE-01") < said.index(word.signatures(language)["prepared"])
    headings = [p.text for p in document.paragraphs if p.style.name == "Heading 1"]
    assert headings[0] == language.word("Summary")
    assert document.core_properties.title.startswith("SEP-MUSES (laboratorio) · lab: 1 ")
    assert "SEP-MUSES (laboratorio) · lab" in document.sections[0].header.paragraphs[0].text
    assert document.sections[0].footer.paragraphs[0].text.startswith(run.id)


def test_hostile_words_are_words_and_the_document_is_valid() -> None:
    calm, wild = (documents.opened(word.render(factory.hostile(said), ES)) for said in ("calm", factory.HOSTILE))
    tags = [
        [e.tag for e in document.element.body.iter() if not e.tag.endswith(("}t", "}tab"))] for document in (calm, wild)
    ]
    assert tags[0] == tags[1]
    said = documents.words(wild)
    assert "<script>alert(1)</script> | `x` \"q\" 'a' ]]> [bold]b[/bold]" in said
    assert "{0} {x}" in said
    assert not set("\x1b\x07\x00\u202e") & set(said)


@pytest.mark.parametrize("words", ["{{ 1234 * 1000 }}{% for x in y %}{# c #}", "{_{ x }_}", "]]></w:t>"])
def test_words_that_look_like_a_template_s_own_are_words(words: str) -> None:
    document = documents.opened(word.render(factory.hostile(words), ES))
    said = documents.words(document) + document.sections[0].header.paragraphs[0].text
    assert "1234000" not in said
    assert words in said


def test_personal_data_is_masked_again() -> None:
    content = word.render(factory.hostile("curp PEGJ850101HDFRRN09"), ES)
    with zipfile.ZipFile(BytesIO(content)) as file:
        assert not [name for name in file.namelist() if b"PEGJ850101HDFRRN09" in file.read(name)]


def test_charts_show_the_numbers_of_the_run_and_say_them_in_words() -> None:
    document = documents.opened(word.render(factory.incident(), ES))
    states, etl, queue = documents.charts(document)
    assert documents.numbers(states, "val") == [1, 4, 1, 1, 1, 1]
    assert documents.numbers(queue, "yVal") == [round(value, 4) for _, value in factory.queue().trend]
    assert documents.numbers(etl, "yVal")[-1] == round(factory.etl().trend[-1][1] / 60, 4)
    clock = documents.numbers(queue, "xVal")
    assert round((clock[-1] - int(clock[-1])) * 24 * 60) == 8 * 60 + 31
    described = [d.get("descr") for d in document.element.body.iter("{*}docPr")]
    assert len(described) == 3
    assert "Crítico 1" in described[0]


def test_a_number_that_is_none_does_not_damage_the_document() -> None:
    points = ((factory.at(0), 1.0), (factory.at(60), math.inf), (factory.at(120), 3.0), (factory.at(180), math.nan))
    charts = (Trend("t", "w", points, "1/min"), Trend("t", "w", points[1:2]))
    document = documents.opened(word.filled(None, {}, charts, ES))
    assert [documents.numbers(chart, "yVal") for chart in documents.charts(document)] == [[1, 3]]


def test_the_same_run_gives_the_same_bytes() -> None:
    assert word.render(factory.incident(), ES) == word.render(factory.incident(), ES)


def test_a_long_run_is_short_enough_to_open() -> None:
    many = tuple(replace(factory.etl(), row=f"ROW-{n}") for n in range(150))
    content = word.render(replace(factory.incident(), records=many), ES)
    assert len(content) < 300_000
    said = documents.words(documents.opened(content))
    assert all(f"ROW-{n}" in said for n in range(150))


def test_other_documents_are_made_the_same_way() -> None:
    table = Table(("a", "b"), ((line("1"), line("2")),))
    document = documents.opened(word.filled(None, {"title": "Mayo", "kind": "Informe"}, [table], EN))
    assert document.core_properties.title == "Mayo"
    assert [cell.text for cell in document.tables[0].rows[1].cells] == ["1", "2"]
    assert "Prepared by" in documents.words(document)


def test_our_template_is_what_its_script_makes() -> None:
    with zipfile.ZipFile(word.OURS) as kept, zipfile.ZipFile(BytesIO(ours.made())) as made:
        assert kept.namelist() == made.namelist()
        assert all(kept.read(name) == made.read(name) for name in made.namelist())


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.startswith("reports.word.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "docxtpl", None)
    with pytest.raises(ReportError, match=r"docx: .*muses-runbook\[docx\].*Written: .*json"):
        reports.write(factory.incident(), tmp_path, ["json", "docx"], EN)
