"""A run on paper: all of it, tagged, with nothing loaded, and readable by whoever opens it."""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from threading import Thread
from typing import Any

import msgspec
import pytest

from reports import pdf
from reports.language import Language
from runbook.errors import ReportError
from tests.reports import factory

try:
    import weasyprint  # noqa: F401
except OSError as error:
    pytest.skip(f"PDF reports need the system's Pango: {error}", allow_module_level=True)
pypdf = pytest.importorskip("pypdf")

ES = Language("es")
replace = msgspec.structs.replace


def read(content: bytes) -> Any:
    """The document as a reader opens it."""
    return pypdf.PdfReader(BytesIO(content))


def words(document: Any) -> list[str]:
    """The text of each page, blanks as one."""
    return [" ".join(page.extract_text().split()) for page in document.pages]


@pytest.fixture(scope="module")
def incident() -> Any:
    """The night of 24 November on paper."""
    return read(pdf.render(factory.incident(), ES))


@pytest.fixture(scope="module")
def pages(incident: Any) -> list[str]:
    """What stands on its pages."""
    return words(incident)


def test_every_row_with_its_answers_is_on_paper(pages: list[str]) -> None:
    said, run = " ".join(pages), factory.incident()
    for record in run.records:
        assert record.row in said
        for finding in record.findings:
            assert ES.say(finding.cause) in said
    assert "1 falla crítica abierta, 1 advertencia abierta" in said
    assert "deteniendo: SIGTERM recibido" in said
    assert "Los secretos y los datos personales están enmascarados" in said


def test_it_is_tagged_has_a_language_a_title_and_numbered_pages_of_a4(incident: Any, pages: list[str]) -> None:
    catalogue = incident.trailer["/Root"]
    assert catalogue["/MarkInfo"]["/Marked"]
    assert catalogue["/Lang"] == "es"
    assert "/StructTreeRoot" in catalogue
    assert incident.metadata.title.startswith("Crítico · SEP-MUSES")
    assert {tuple(round(float(side)) for side in page.mediabox[2:]) for page in incident.pages} == {(595, 842)}
    assert all(f"{number} / {len(pages)}" in page for number, page in enumerate(pages, start=1))


def test_every_drawing_says_what_it_shows(incident: Any) -> None:
    objects = (incident.get_object(number) for number in range(1, incident.trailer["/Size"]))
    figures = [found for found in objects if isinstance(found, dict) and found.get("/S") == "/Figure"]
    assert len(figures) > 10
    said = {str(figure["/Alt"]) for figure in figures}
    assert any(words.startswith("De −1/min a 498/min") for words in said)


def test_states_are_drawn_in_their_colours(incident: Any) -> None:
    drawn = b"".join(page.get_contents().get_data() for page in incident.pages).decode("latin-1")
    colours = {
        tuple(round(float(part) * 255) for part in found)
        for found in re.findall(r"([\d.]+) ([\d.]+) ([\d.]+) rg", drawn)
    }
    assert {(0xB3, 0x21, 0x1B), (0x0B, 0x6A, 0x62), (0x5A, 0x4A, 0x9C)} <= colours


def test_hostile_words_are_words() -> None:
    run = factory.hostile()
    said = " ".join(words(read(pdf.render(replace(run, records=run.records[-1:], events=(), readings=()), ES))))
    assert "<script>alert(1)</script> | `x`" in said
    assert not set("\x1b\x00\x07\u202e") & set(said)


def test_nothing_is_loaded() -> None:
    asked: list[str] = []

    class Recording(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Recording) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        there = f"http://127.0.0.1:{server.server_port}/x.png"
        page = (
            f"<html lang=es><title>t</title><style>p{{background:url({there})}}</style><p>x<img src='{there}' alt=''>"
        )
        page += "<img src='file:///etc/hostname' alt=''>"
        content = pdf.of_page(page.encode(), "x")
        server.shutdown()
    assert words(read(content)) == ["x 1 / 1"]
    assert asked == []
    assert not [image for page in read(content).pages for image in page.images]


class WithoutPango:
    """Finds WeasyPrint as a machine without Pango does."""

    def find_spec(self, name: str, *_more: object) -> None:
        """Fail as the library's loader does."""
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")


def test_without_the_extra_or_pango_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ReportError, match=r"need the extra pdf: pip install 'muses-runbook\[pdf\]'"):
        pdf.render(factory.incident(), ES)
    monkeypatch.delitem(sys.modules, "weasyprint")
    monkeypatch.setattr(sys, "meta_path", [WithoutPango(), *sys.meta_path])
    with pytest.raises(ReportError, match=r"need the system's Pango: apt-get install libpangoft2-1.0-0"):
        pdf.render(factory.incident(), ES)
