"""The nightly run: nothing hides another, nights are kept and let go of, and what fails is said and loses nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec import structs

import reports
from reports.language import Language
from runbook.cli import Exit
from runbook.commands import nightly as command
from runbook.commands.check_many import Interrupted, Outcome
from runbook.commands.nightly.keeping import alone
from runbook.errors import LockError, SettingsError
from runbook.history import History
from runbook.history.nights import Nights
from runbook.model import Environment, Proven, Record, Run, State, Verdict, Verification, worst_of
from runbook.text import bilingual, text
from tests.runbook.delivery.servers import TOKEN, GitHub, served
from tests.runbook.test_cli import said

SITE = """
[site]
language = "en"
state = "{folder}/state"
[site.nightly]
publish = "{folder}/www"
{more}
[environments.prod]
[environments.qa]
"""


TICKETS = """
[environments.prod.tickets]
tracker = "github"
url = "{url}"
project = "sep/muses"
open = "critical"
token = {{ env = "MUSES_TEST_TRACKER_TOKEN" }}
"""


class Desk:
    """A site of two environments whose checks are made up; the real ones are ``check_many``'s to try."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.runs = folder, folder / "state" / "runs"
        self.asked: dict[str, Any] = {}
        self.states = {"prod": State.OK, "qa": State.OK}
        self.ends: dict[str, State] = {}
        self.broken: dict[str, str] = {}
        self.stopped = False
        self.settle("")
        monkeypatch.setattr(command, "judge_all", self._judged)

    def settle(self, more: str) -> None:
        """Write the site file with more of ``[site.nightly]``."""
        (self.folder / "site.toml").write_text(SITE.format(folder=self.folder, more=more))

    def night(self, *words: str) -> Result:
        """One run of the command; ``exit_code`` is what it returned."""
        words = ("--settings", str(self.folder / "site.toml"), *words)
        found = CliRunner().invoke(command.nightly, words, standalone_mode=False, catch_exceptions=False)
        found.exit_code = int(found.return_value or 0)
        return found

    def nights(self, environment: str) -> list[tuple[str, State]]:
        """Run and worst state of each night, oldest first."""
        found = Nights(self.folder / "state" / "history.sqlite", environment)
        nights = [(night.run, night.worst) for night in found.all()]
        found.close()
        return nights

    def _judged(self, _settings: Any, names: tuple[str, ...], **asked: Any) -> tuple[Outcome, ...]:
        self.asked = {"names": tuple(names), **asked}
        outcomes = tuple(self._outcome(name) for name in names)
        if self.stopped:
            raise Interrupted(outcomes)
        return outcomes

    def _outcome(self, name: str) -> Outcome:
        if name in self.broken:
            return Outcome(name, None, text("{why}", why=self.broken[name]), None)
        run = run_of(name, self.states[name], self.ends.get(name), len(list(self.runs.glob("2*"))))
        reports.write(run, self.runs / run.id, ("json", "html"), Language("en"))
        history = History(self.folder / "state" / "history.sqlite", name)
        history.keep(run, worst_of(run), self.runs / run.id)
        history.close()
        return Outcome(name, run, None, self.runs / run.id)


def run_of(environment: str, state: State, end: State | None, number: int) -> Run:
    """A run over one row, which after a remedy stood as ``end`` says."""
    at = datetime.now(UTC) - timedelta(minutes=30) + timedelta(seconds=number)
    verdict = Verdict(state=state, summary=text("x"), judged_at=at)
    record = Record(row="QUEUE-01", title=bilingual("The queue is worked off", "La cola se atiende"), verdict=verdict)
    if end is not None:
        again = structs.replace(verdict, state=end)
        proof = Verification(proven=Proven.NOT_FIXED, verdict=again, took=timedelta(seconds=1))
        record = structs.replace(record, verification=proof)
    where = Environment(site="SEP-MUSES", name=environment, timezone="America/Mexico_City", language="en")
    id = f"{at:%Y%m%dT%H%M%SZ}-{number:08x}"
    return Run(id=id, environment=where, started_at=at, ended_at=at, records=(record,))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("MUSES_RUNBOOK_LANG", "en")
    return Desk(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A night of the real program: an environment with nothing to check, and one whose file of waivers is missing."""
    folder = tmp_path_factory.mktemp("night")
    more = SITE.format(folder=folder, more="") + '[environments.broken]\nwaivers_file = "missing.toml"\n'
    (folder / "muses-runbook.toml").write_text(more.replace("[environments.qa]\n", ""))
    return folder, said("nightly", "--json", folder=folder)


def test_a_broken_environment_hides_no_other(real: tuple[Path, Any]) -> None:
    folder, done = real
    assert done.returncode == Exit.UNKNOWN, done.stderr
    told = json.loads(done.stdout)
    prod, broken = told["environments"]
    assert (prod["environment"], prod["worst"], prod["error"]) == ("prod", "OK", None)
    assert (broken["environment"], broken["worst"], broken["run"]) == ("broken", "UNKNOWN", None)
    assert "missing.toml" in broken["error"]
    page = (folder / "www" / "index.html").read_text()
    assert f'href="{prod["run"]}/{prod["run"]}.html"' in page
    assert (folder / "www" / prod["run"] / f"{prod['run']}.html").is_file()
    assert "There was no result" in page


def test_the_index_is_written_here_and_published_with_the_reports(desk: Desk) -> None:
    done = desk.night()
    assert done.exit_code == Exit.OK
    assert f"Index: {desk.runs}/index.html" in done.stdout
    assert f"Published in {desk.folder}/www (files written: 5)" in done.stdout
    assert (desk.folder / "www" / "index.html").read_bytes() == (desk.runs / "index.html").read_bytes()


def test_environments_are_judged_with_remedies_unless_the_site_or_the_person_says_no(desk: Desk) -> None:
    desk.night()
    assert desk.asked["names"] == ("prod", "qa")
    assert desk.asked["fix"] is True
    assert desk.asked["formats"][0] == "json"
    assert desk.asked["patience"] == timedelta(hours=2)
    desk.night("--no-fix", "--env", "qa")
    assert (desk.asked["names"], desk.asked["fix"]) == (("qa",), False)
    desk.settle('fix = false\nenvironments = ["qa"]\nformats = ["html"]')
    desk.night()
    assert (desk.asked["names"], desk.asked["fix"], desk.asked["formats"]) == (("qa",), False, ("json", "html"))


@pytest.mark.parametrize(
    ("prod", "end", "qa", "code"),
    [
        (State.OK, State.OK, State.WARNING, Exit.WARNING),
        (State.CRITICAL, State.WARNING, State.UNKNOWN, Exit.WARNING),
        (State.CRITICAL, State.CRITICAL, State.UNKNOWN, Exit.CRITICAL),
        (State.CRITICAL, State.OK, State.UNKNOWN, Exit.UNKNOWN),
    ],
)
def test_the_exit_code_is_the_worst_that_is_left(desk: Desk, prod: State, end: State, qa: State, code: Exit) -> None:
    desk.states, desk.ends = {"prod": prod, "qa": qa}, {"prod": end}
    assert desk.night().exit_code == code


def test_what_changed_since_the_night_before_is_on_the_page(desk: Desk) -> None:
    desk.night()
    desk.states["qa"] = State.UNKNOWN
    desk.night()
    page = (desk.runs / "index.html").read_text()
    qa = page.partition('<h2 id="e1">')[2]
    assert "QUEUE-01" in qa.partition("What changed")[2].partition("Calendar")[0]
    prod = page.partition('<h2 id="e0">')[2].partition('<h2 id="e1">')[0]
    assert "QUEUE-01" not in prod.partition("What changed")[2].partition("Calendar")[0]


def test_old_nights_are_let_go_of_here_and_where_they_were_published(desk: Desk) -> None:
    desk.settle("keep = 2")
    for _ in range(3):
        desk.night("--env", "prod")
    nights = desk.nights("prod")
    assert len(nights) == 2
    kept = {run for run, _worst in nights}
    assert {path.name for path in desk.runs.glob("2*")} == kept
    assert {path.name for path in (desk.folder / "www").glob("2*")} == kept


def test_what_others_put_beside_a_report_stays(desk: Desk) -> None:
    desk.settle("keep = 1")
    desk.night("--env", "prod")
    (folder,) = desk.runs.glob("2*")
    (folder / "ticket.txt").write_text("OPS-123")
    desk.night("--env", "prod")
    assert [path.name for path in folder.iterdir()] == ["ticket.txt"]
    assert len(desk.nights("prod")) == 1


def test_where_it_cannot_be_published_the_night_is_kept_and_put_there_the_next_time(desk: Desk) -> None:
    desk.settle("keep = 1")
    (desk.folder / "www").write_text("in the way")
    for _ in range(2):
        done = desk.night("--env", "prod")
    assert done.exit_code == Exit.NO_REPORT
    assert "site.nightly.publish" in done.stderr
    assert len(desk.nights("prod")) == 2, "what is published nowhere is let go of nowhere"
    (desk.folder / "www").unlink()
    done = desk.night("--only-pages")
    assert done.exit_code == Exit.OK
    assert len(list((desk.folder / "www").glob("2*"))) == 1
    assert len(desk.nights("prod")) == 1


def test_a_publication_that_is_set_wrongly_stops_no_check(desk: Desk) -> None:
    site = (desk.folder / "site.toml").read_text().replace(f"{desk.folder}/www", "s3://muses-paginas")
    (desk.folder / "site.toml").write_text(site)
    done = desk.night()
    assert done.exit_code == Exit.NO_REPORT
    assert "the nightly pages are published with these keys" in done.stderr
    assert len(desk.nights("prod")) == 1
    assert (desk.runs / "index.html").is_file()


def test_two_nightly_runs_of_an_environment_do_not_overlap_and_those_of_others_may(desk: Desk) -> None:
    with alone(desk.folder / "state", ["prod"]):
        with pytest.raises(LockError, match="Another nightly run of prod is under way"):
            desk.night()
        assert desk.asked == {}
        assert desk.night("--env", "qa").exit_code == Exit.OK


def test_an_interrupted_night_keeps_what_there_is(desk: Desk) -> None:
    desk.stopped, desk.broken = True, {"qa": "it was stopped"}
    assert desk.night().exit_code == Exit.INTERRUPTED
    assert [worst for _run, worst in desk.nights("prod") + desk.nights("qa")] == [State.OK, State.UNKNOWN]
    assert "it was stopped" in (desk.runs / "index.html").read_text()


def test_what_a_program_said_last_is_masked_before_it_is_told_or_kept(desk: Desk) -> None:
    desk.broken = {"qa": "cannot reach amqp://muses:c4n4ryurl@mq1:5672/"}
    for done in (desk.night(), desk.night("--json")):
        assert "cannot reach" in done.stdout
        assert "c4n4ryurl" not in done.stdout
    kept = b"".join(path.read_bytes() for path in desk.folder.rglob("*") if path.is_file())
    assert b"cannot reach" in kept
    assert b"c4n4ryurl" not in kept


def test_a_history_that_cannot_be_used_is_said(desk: Desk) -> None:
    def spoilt(_name: str) -> Outcome:
        (desk.folder / "state" / "history.sqlite").write_bytes(b"my thesis" * 200)
        return Outcome("prod", None, text("x"), None)

    desk._outcome: Callable[[str], Outcome] = spoilt  # type: ignore[method-assign, misc]
    done = desk.night("--env", "prod")
    assert done.exit_code == Exit.UNKNOWN
    assert "site.state" in done.stderr


@pytest.mark.parametrize(
    ("more", "words", "expected"),
    [
        ("", ("--env", "prd"), "did you mean 'prod'"),
        ('environments = ["qaa"]', (), "did you mean 'qa'"),
        ('formats = ["word"]', (), r"site\.nightly\.formats"),
    ],
)
def test_slips_of_the_pen_are_named_before_anything_is_judged(
    desk: Desk, more: str, words: tuple[str, ...], expected: str
) -> None:
    desk.settle(more)
    with pytest.raises(SettingsError, match=expected):
        desk.night(*words)
    assert desk.asked == {}


def test_a_critical_night_opens_a_ticket_where_policy_lets_it_and_the_mended_one_ends_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSES_TEST_TRACKER_TOKEN", TOKEN)
    site = desk.folder / "site.toml"
    with served(GitHub()) as vendor:
        assert isinstance(vendor, GitHub)
        vendor.issues.clear()
        site.write_text(site.read_text() + TICKETS.format(url=vendor.url))
        assert desk.night().exit_code == Exit.OK
        assert vendor.issues == {}
        desk.states["prod"] = State.CRITICAL
        assert desk.night().exit_code == Exit.CRITICAL
        (issue,) = vendor.issues.values()
        assert len(issue.comments) == 1
        desk.states["prod"] = State.OK
        assert desk.night().exit_code == Exit.OK
        assert (len(vendor.issues), len(issue.comments)) == (1, 2)


def test_a_tracker_that_refuses_is_said_and_loses_no_night(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSES_TEST_TRACKER_TOKEN", "another-token")
    site = desk.folder / "site.toml"
    desk.states["prod"] = State.CRITICAL
    with served(GitHub()) as vendor:
        site.write_text(site.read_text() + TICKETS.format(url=vendor.url))
        done = desk.night()
    assert done.exit_code == Exit.CRITICAL
    assert "environments.prod.tickets" in done.stderr
    assert len(desk.nights("prod")) == 1
    assert (desk.folder / "www" / "index.html").is_file()


def test_a_site_without_environments_is_no_night_in_order(desk: Desk) -> None:
    (desk.folder / "site.toml").write_text("[environments]\n")
    with pytest.raises(SettingsError, match="no environment to judge"):
        desk.night()


def test_reports_that_are_gone_are_no_longer_linked(desk: Desk) -> None:
    desk.night("--env", "prod")
    (folder,) = desk.runs.glob("2*")
    shutil.rmtree(folder)
    assert desk.night("--only-pages").exit_code == Exit.OK
    assert folder.name not in (desk.runs / "index.html").read_text()


def test_as_json_it_tells_of_environments_and_pages(desk: Desk) -> None:
    desk.states["qa"] = State.WARNING
    told = json.loads(desk.night("--json").stdout)
    assert [(one["environment"], one["worst"]) for one in told["environments"]] == [("prod", "OK"), ("qa", "WARNING")]
    assert told["index"] == str(desk.runs / "index.html")
    assert (told["published"], told["written"]) == (str(desk.folder / "www"), 5)
    assert desk.night("-q").stdout == ""
