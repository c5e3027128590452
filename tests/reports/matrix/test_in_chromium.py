"""The matrix as a browser shows it: it does not overflow, prints every column, and axe finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from reports import matrix
from reports.language import Language
from reports.matrix import Column
from runbook.text import text
from tests.reports import chromium, factory
from tests.reports.test_in_chromium import OVERFLOWING, violations


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    program = chromium.installed()
    if program is None:
        pytest.skip("needs Chromium (tools/setup --tests, or apt-get install chromium)")
    opened = chromium.Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine environments with every state there is, and one that was not judged."""
    run = factory.incident()
    fewer = msgspec.structs.replace(run, records=run.records[2:])
    columns = [Column(site="SEP", environment=f"zona-{n}", run=fewer if n % 2 else run) for n in range(9)]
    lost = Column(site="Otro", environment="prod", error=text("The run was ended by {signal}", signal="SIGKILL"))
    folder = tmp_path_factory.mktemp("matrix")
    return matrix.write([*columns, lost], folder, ("html",), Language("es"))["html"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows_and_axe_finds_nothing(browser: chromium.Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width, dark=dark)
    assert browser.tell("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert browser.tell(OVERFLOWING.replace(".skip", ".skip,.matrix")) == []
    assert violations(browser) == []


def test_the_names_of_the_rows_stay_while_the_environments_scroll(browser: chromium.Browser, page: Path) -> None:
    browser.open(page, 800)
    left = "document.querySelector('.matrix tbody th').getBoundingClientRect().left"
    before = browser.tell(left)
    scrolled = browser.tell("(s => { s.scrollLeft = 9999; return s.scrollLeft })(document.querySelector('.scroll'))")
    assert scrolled > 0
    assert browser.tell(left) == before


def test_every_environment_is_on_paper(browser: chromium.Browser, page: Path) -> None:
    browser.open(page, 700)
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.tell(OVERFLOWING) == []
    told = browser.tell("[...document.querySelectorAll('.matrix tbody tr')].map(e => e.querySelectorAll('td').length)")
    assert set(told) == {10}
    named = "getComputedStyle(document.querySelector('.matrix td:last-child'), '::before').content"
    assert "Otro · prod" in browser.tell(named)
    browser.send("Emulation.setEmulatedMedia", media="")
