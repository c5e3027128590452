"""``muses-runbook coverage`` and ``docs`` as a pipeline runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from runbook.cli import Exit
from runbook.commands.coverage import coverage
from runbook.commands.docs import PAGES, docs
from runbook.errors import SettingsError

DOCS = Path(__file__).parents[3] / "docs"
SITE = """\
[environments.prod.database]
reader = {{ user = "muses_reader" }}
retention_days = {days}
[environments.prod.limits.ETL-01]
warning = "{warning}"
"""


def run(command: click.Command, *arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(command, [*map(str, arguments)], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.return_value, done.output


def called(*arguments: object) -> int:
    """In a process of its own: other tests declare rows of theirs in this one."""
    command = Path(sys.executable).with_name("muses-runbook")
    return subprocess.run([command, *map(str, arguments)], check=False, capture_output=True).returncode


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    """The team's own."""
    file = tmp_path / "guía.md"
    file.write_text((DOCS / "guide.es.md").read_text(encoding="utf-8"), encoding="utf-8")
    return file


def changed(guide: Path, old: str, new: str) -> Path:
    words = guide.read_text(encoding="utf-8")
    assert old in words
    guide.write_text(words.replace(old, new), encoding="utf-8")
    return guide


def test_rows_that_the_guide_lacks_are_a_warning_unless_tolerated(guide: Path) -> None:
    code, said = run(coverage, guide)
    assert (code, "HOST-01" in said) == (Exit.WARNING, True)
    assert run(coverage, guide, "--tolerate-unwritten")[0] == Exit.OK


@pytest.mark.parametrize("page", PAGES.values())
def test_a_guide_that_says_it_all_passes(page: str) -> None:
    assert called("coverage", DOCS / page) == Exit.OK


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("> 15 minutos", "> 20 minutos", "≠"),
        ("Alerta: La cola de mensajes crece sin parar", "Alerta: El edificio se inunda", "✗"),
    ],
    ids=["drifted", "gap"],
)
def test_drift_and_gaps_are_critical(guide: Path, old: str, new: str, said: str) -> None:
    code, shown = run(coverage, changed(guide, old, new), "--tolerate-unwritten")
    assert code == Exit.CRITICAL
    assert f"{said} {guide}:" in shown


def test_a_text_in_which_nothing_was_found_is_not_covered(tmp_path: Path) -> None:
    file = tmp_path / "other.md"
    file.write_text("# Notes\n\n| Table | Key |\n|---|---|\n| a | b |\n")
    assert run(coverage, file)[0] == Exit.UNKNOWN


def test_json_says_the_same(guide: Path) -> None:
    code, shown = run(coverage, changed(guide, "90 días", "60 días"), "--json")
    told: dict[str, Any] = json.loads(shown)
    (drifted,) = (one for one in told["stated"] if one["drift"])
    assert (code, told["gaps"], told["drifted"]) == (Exit.CRITICAL, 0, 1)
    assert (drifted["kind"], drifted["procedures"], drifted["line"]) == ("procedure", ["run purge"], 19)
    assert "HOST-01" in told["unwritten"]


def test_a_sites_own_limits_are_what_its_guide_is_held_against(guide: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(days=60, warning="20 min"))
    assert run(coverage, guide, "--tolerate-unwritten", "--settings", site)[0] == Exit.CRITICAL
    changed(changed(guide, "> 15 minutos", "> 20 minutos"), "90 días", "60 días")
    assert run(coverage, guide, "--tolerate-unwritten", "--settings", site)[0] == Exit.OK


def test_a_guide_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "guide.docx"
    file.write_bytes(b"PK\xff\xfe")
    with pytest.raises(SettingsError, match=r"cannot be read|no se puede leer"):
        run(coverage, file)


def test_the_pages_in_docs_are_what_the_rows_say() -> None:
    """Where this fails: muses-runbook docs."""
    assert called("docs", "--output", DOCS, "--check") == Exit.OK


def test_pages_are_written_and_then_up_to_date(tmp_path: Path) -> None:
    assert run(docs, "--output", tmp_path / "new", "--check")[0] == Exit.CRITICAL
    assert run(docs, "--output", tmp_path / "new")[0] == Exit.OK
    assert run(docs, "--output", tmp_path / "new", "--check")[0] == Exit.OK
    (tmp_path / "new" / "rows.md").write_text("changed by hand")
    code, _said = run(docs, "--output", tmp_path / "new", "--check")
    assert code == Exit.CRITICAL
