"""The index as a browser shows it: silence is found by the page itself, nothing overflows, axe finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from reports.nights import EnvironmentNights
from runbook.model import State
from tests.reports import chromium
from tests.reports.nights.made import environment, night, page, row
from tests.reports.test_in_chromium import OVERFLOWING, violations

STATES = ("ok", "critical", "warning", "unknown", "waived", "fixed", "skipped", "", "ok")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    program = chromium.installed()
    if program is None:
        pytest.skip("needs Chromium (tools/setup --tests, or apt-get install chromium)")
    opened = chromium.Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every state there is, in three environments, one of which was never judged."""
    rows = (
        row("QUEUE-01", *STATES),
        row("ETL-01", *STATES[::-1]),
        row("DB-01", *["ok"] * 9),
        row("X-01", *["skipped"] * 9),
    )
    path = tmp_path_factory.mktemp("index") / "index.html"
    nights = (night(1, State.CRITICAL), night(0, State.WARNING, href=""))
    path.write_bytes(
        page(
            environment("prod", *rows),
            EnvironmentNights(name="qa", nights=nights),
            EnvironmentNights(name="dr", nights=()),
        )
    )
    return path


def ended(name: str, at: datetime) -> EnvironmentNights:
    return replace(environment(name, row("A-01", "ok")), nights=(night(0, at=at),))


@pytest.mark.parametrize("scripts", [True, False])
def test_silence_since_the_page_was_made_shows_where_scripts_run(
    browser: chromium.Browser, tmp_path: Path, scripts: bool
) -> None:
    """Two days ago everything was in order, and the page said so; then one environment's runs stopped."""
    now = datetime.now(UTC)
    silent, heard = ended("prod", now - timedelta(hours=48)), ended("qa", now)
    (tmp_path / "index.html").write_bytes(page(silent, heard, made_at=now - timedelta(hours=47)))
    browser.open(tmp_path / "index.html", scripts=scripts)
    shown = browser.tell("[...document.querySelectorAll('.silent')].map(e => e.checkVisibility())")
    assert shown == [scripts, False]
    assert "no newer run stands here, nobody looks" in browser.tell("document.querySelector('.card').innerText")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False)])
def test_axe_finds_nothing(browser: chromium.Browser, many: Path, width: int, dark: bool) -> None:
    browser.open(many, width, dark=dark)
    browser.tell("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert violations(browser) == []


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_goes_beyond_the_window(browser: chromium.Browser, many: Path, width: int) -> None:
    browser.open(many, width)
    assert browser.tell("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert browser.tell(OVERFLOWING) == []


def test_a_worse_state_is_taller_in_the_strip(browser: chromium.Browser, many: Path) -> None:
    browser.open(many)
    heights = """["critical", "warning", "unknown", "waived", "fixed", "ok"].map(name =>
        parseFloat(getComputedStyle(document.querySelector(".strip path." + name)).strokeWidth))"""
    found = browser.tell(heights)
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 6
