"""``muses-runbook report``: a stored run in the forms that are asked for, in the site's own Word template."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from click.testing import CliRunner, Result

import reports
from reports.language import Language
from runbook.commands.report import report
from runbook.errors import ReportError
from tests.reports import factory
from tests.reports.word.documents import office_template

SITE = "[site]\ndocx_template = 'oficio.docx'\n[environments.lab]\n"


def run(*arguments: object) -> Result:
    """The command, failing as it fails."""
    return CliRunner().invoke(report, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The folder of a run."""
    reports.write(factory.incident(), tmp_path / "run", ["json"], Language("es"))
    return tmp_path / "run"


def test_every_form_is_written_when_it_is_asked_for(stored: Path, tmp_path: Path) -> None:
    done = run(stored, "--format", "markdown:gitlab", "--format", "markdown:jira", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["20261124T143105Z-7c1f.gitlab.md", "20261124T143105Z-7c1f.jira.txt"]


def test_the_usual_ones_without_asking(stored: Path, tmp_path: Path) -> None:
    run(stored, "--output", tmp_path / "out")
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".html", ".json", ".md", ".xml"]


def test_a_document_is_made_from_the_template_beside_the_site_file(stored: Path, tmp_path: Path) -> None:
    office_template(tmp_path)
    (tmp_path / "site.toml").write_text(SITE)
    done = run(stored, "--format", "docx", "--settings", tmp_path / "site.toml", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    document = docx.Document(str(next((tmp_path / "out").iterdir())))
    assert document.sections[0].footer.paragraphs[0].text == "Oficio DGS/123/2026"


def test_a_document_needs_no_site(stored: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(stored)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("MUSES_RUNBOOK_SETTINGS", raising=False)
    assert run(stored, "--format", "docx").exit_code == 0
    assert (stored / "20261124T143105Z-7c1f.docx").is_file()


def test_a_template_that_is_not_there_is_said_with_its_setting(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    with pytest.raises(ReportError, match=r"docx: .*oficio\.docx \(site\.docx_template\)"):
        run(stored, "--format", "docx", "--settings", tmp_path / "site.toml")
