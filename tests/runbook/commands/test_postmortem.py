"""``postmortem`` finds what is named, drafts from what is kept, and overwrites nobody's work."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import docx
import msgspec
import pytest
from click.testing import CliRunner

import reports
from reports.language import Language
from runbook.cli import commands
from runbook.errors import ReportError, SettingsError
from runbook.history import History
from runbook.model import Record, Run, State, worst_of
from tests.reports import factory, telling

SITE = """
[site]
name = "SEP-MUSES"
state = "{folder}/state"
language = "en"

[environments.lab]
"""
replace = msgspec.structs.replace


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE.format(folder=tmp_path))
    return file


def keep(site: Path, *runs: Run) -> None:
    """Write the runs' reports and keep them in the history, as ``check`` does."""
    history = History(site.parent / "state" / "history.sqlite", "lab")
    for run in runs:
        folder = site.parent / "state" / "runs" / run.id
        reports.write(run, folder, ("json",), Language("en"))
        history.keep(run, worst_of(run), folder)
    history.close()


def an_hour() -> tuple[Run, ...]:
    """The incident of an hour, which ended a short while ago; before it a run in which all was well.

    All in one month of the site's zone.
    """
    runs = telling.case().runs
    end, zone = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1), ZoneInfo("America/Mexico_City")
    if (end - timedelta(minutes=90)).astimezone(zone).month != end.astimezone(zone).month:
        end -= timedelta(hours=2)
    later = end - runs[-1].ended_at
    well = replace(runs[-1], id="run-before", records=tuple(map(_well, runs[-1].records)))
    return (telling.shifted(well, later - timedelta(minutes=80)), *(telling.shifted(run, later) for run in runs))


def _well(record: Record) -> Record:
    verdict = replace(record.verdict, state=State.OK)
    return replace(record, verdict=verdict, actions=(), verification=None, findings=())


def run(site: Path, *arguments: str) -> list[str]:
    done = CliRunner().invoke(commands, ["postmortem", "--settings", str(site), *arguments], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout.splitlines()


def facts(site: Path, *arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads("\n".join(run(site, "--json", *arguments)))
    return found


def test_the_newest_incident_is_drafted_from_all_its_runs(site: Path) -> None:
    keep(site, *an_hour())
    written = [Path(line) for line in run(site)]
    assert [file.suffix for file in written] == [".md", ".html"]
    assert written[0].parent == site.parent / "state" / "postmortems"
    page = written[0].read_text()
    assert "2 rows were breached for 1 h" in page
    assert "in order on" in page
    assert "Drafted from 3 of 3 runs." in page


def test_an_incident_is_named_by_its_id(site: Path) -> None:
    runs = an_hour()
    keep(site, *runs)
    id = f"lab-{runs[1].started_at:%Y%m%dT%H%M%SZ}"
    found = facts(site, id)
    assert (found["id"], found["rows"], found["worst"]) == (id, ["QUEUE-01", "ETL-01"], "CRITICAL")
    assert found["ended"] is not None
    assert found["open"] == []


def test_what_lasts_is_drafted_up_to_now(site: Path) -> None:
    keep(site, *an_hour()[:3])
    found = facts(site)
    assert found["ended"] is None
    assert found["open"] == ["QUEUE-01", "ETL-01"]


def test_runs_that_changed_nothing_are_not_read(site: Path) -> None:
    before, first, second, last = an_hour()
    copies = [telling.shifted(replace(second, id=f"same-{n}"), timedelta(minutes=n)) for n in range(1, 20)]
    keep(site, before, first, second, *copies, last)
    found = facts(site)
    assert found["runs"] == [first.id, second.id, last.id]
    assert len(found["unread"]) == 19  # type: ignore[arg-type]


def test_a_report_that_is_not_kept_any_more_is_told_by_the_history(site: Path) -> None:
    runs = an_hour()
    keep(site, *runs)
    next((site.parent / "state" / "runs" / runs[2].id).glob("*.json")).unlink()
    found = facts(site)
    assert found["unread"] == [runs[2].id]
    page = Path(run(site, "--format", "markdown")[0]).read_text()
    assert "Breached; the report of this run is not kept any more" in page


def test_runs_are_named_by_id_or_folder_also_where_they_mended_it_at_once(site: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    mended = telling.shifted(factory.incident(), now - timedelta(minutes=5) - factory.START)
    mended = replace(mended, records=tuple(one for one in mended.records if one.row == "QUEUE-01"))
    keep(site, mended)
    for name in (mended.id, "last", str(site.parent / "state" / "runs" / mended.id)):
        found = facts(site, name)
        assert (found["id"], found["rows"], len(found["done"])) == (mended.id, ["QUEUE-01"], 2)  # type: ignore[arg-type]
        assert found["ended"] is not None
    assert "no hay ningún incidente en el historial" in _error(site)


def test_a_draft_that_people_may_have_completed_is_not_overwritten(site: Path) -> None:
    keep(site, *an_hour())
    draft = Path(run(site, "--format", "markdown")[0])
    draft.write_text("completed by people")
    with pytest.raises(ReportError, match="may have been completed: --replace"):
        run(site, "--format", "html", "--format", "markdown")
    assert draft.read_text() == "completed by people"
    run(site, "--format", "markdown", "--replace")
    assert draft.read_text().startswith("# Post-mortem")


def test_word_is_set_into_the_site_s_own_template(site: Path, tmp_path: Path) -> None:
    keep(site, *an_hour())
    template = docx.Document()
    template.sections[0].header.paragraphs[0].text = "Secretaría · {{ site }} · {{ kind }}"
    template.add_paragraph("{{ title }}", style="Title")
    template.add_paragraph("{{ report }}")
    template.add_table(1, 1).rows[0].cells[0].text = "Firma de la dirección"
    template.save(str(tmp_path / "own.docx"))
    site.write_text(site.read_text().replace("[site]", '[site]\ndocx_template = "own.docx"'))
    made = docx.Document(run(site, "--format", "docx", "--output", str(tmp_path / "out"))[0])
    assert made.sections[0].header.paragraphs[0].text == "Secretaría · SEP-MUSES (laboratorio) · Post-mortem"
    assert made.paragraphs[0].text.startswith("Post-mortem of lab-")
    assert made.tables[-1].rows[0].cells[0].text == "Firma de la dirección"
    assert "Impact" in [one.text for one in made.paragraphs if one.style and one.style.name == "Heading 1"]


def test_where_it_cannot_be_written_the_file_is_named(site: Path, tmp_path: Path) -> None:
    keep(site, *an_hour())
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match=r"file/out/postmortem-.* cannot be written: Not a directory"):
        run(site, "--format", "markdown", "--output", str(tmp_path / "file" / "out"))


def test_runs_of_another_environment_are_not_judged_by_this_one_s_history(site: Path) -> None:
    runs = an_hour()
    keep(site, *runs)
    folder = site.parent / "elsewhere"
    other = replace(runs[1], environment=replace(runs[1].environment, name="prod"))
    reports.write(other, folder, ("json",), Language("en"))
    found = facts(site, str(folder))
    assert found["detections"][0]["in_order_at"] is None  # type: ignore[index]


def test_an_unknown_name_gives_the_nearest_incident(site: Path) -> None:
    runs = an_hour()
    keep(site, *runs)
    id = f"lab-{runs[1].started_at:%Y%m%dT%H%M%SZ}"
    with pytest.raises(SettingsError, match="ningún incidente ni ninguna corrida") as raised:
        run(site, id[:-2] + "9Z")
    assert raised.value.nearest == id


def test_runs_in_which_nothing_was_breached_are_no_post_mortem(site: Path) -> None:
    before = an_hour()[0]
    keep(site, before)
    with pytest.raises(ReportError, match="Nothing was breached"):
        run(site, before.id)


def _error(site: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        run(site)
    return str(raised.value)
