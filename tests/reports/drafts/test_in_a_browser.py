"""The drafts in Chromium: nobody is kept out (axe), and nothing runs over the edge of a telephone or a sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reports import monthly, postmortem
from reports.language import Language
from tests.reports import telling
from tests.reports.chromium import Browser, installed

ENGLISH = Language("en")
PAGES: dict[str, Callable[[], bytes]] = {
    "post-mortem": lambda: postmortem.render(telling.case(), "html", ENGLISH),
    "monthly": lambda: monthly.render(telling.month(), "html", ENGLISH),
}
VIOLATIONS = "axe.run().then(found => found.violations.map(one => one.id + ' ' + one.nodes[0].html))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = installed()
    if program is None:
        pytest.skip("there is no Chromium: tools/setup --tests installs it")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_overflows(browser: Browser, name: str, tmp_path: Path) -> None:
    import axe_core_python

    page = tmp_path / "page.html"
    page.write_bytes(PAGES[name]())
    script = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
    for width, dark in ((1280, False), (360, True)):
        browser.open(page, width, dark=dark)
        browser.tell(f"{script}; 1")
        assert browser.tell(VIOLATIONS) == []
        assert browser.tell("document.documentElement.scrollWidth") == width
