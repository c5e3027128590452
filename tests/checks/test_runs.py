"""RUN-01: what a killed run did, what it began, and what is seen of that; and the targets' own traces of a step."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks import runs
from runbook.acting.journal import Journal
from runbook.acting.locks import acting_on
from runbook.errors import ProbeError
from runbook.limits import Limits
from runbook.model import Proof, State, Step, Verdict
from runbook.targets.run_structs import BegunStep, KilledRun
from runbook.targets.runs import Runs
from runbook.targets.workers.replicas import Replica, Service
from runbook.targets.workers.traces import trace_of
from runbook.text import text
from runbook.traces import Seen
from tests.checks.fakes import Told
from tests.runbook.fakes import site_at

NOW = datetime.now(UTC)
STEP = Step(what=text("Start it"), target="workers", operation="start", arguments={"name": "a:1"})


def begun(seen: Seen) -> BegunStep:
    return BegunStep(number=4, row="QUEUE-01", what=text("Start it"), seen=seen, said=text("It runs"))


def judged(*found: KilledRun, acted: bool = True) -> Verdict:
    limits = Limits()
    runs.check_acting_runs_came_to_their_end(Told(killed=found, acted=acted), limits)
    return limits.verdict()


def test_where_nothing_ever_acted_there_is_nothing_to_judge(tmp_path: Path) -> None:
    target = Runs("runs", site_at(tmp_path))
    assert (target.acted(), target.killed()) == (False, ())
    assert judged(acted=False).state is State.SKIPPED
    killed(tmp_path)
    assert target.acted()


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (None, State.OK),
        (KilledRun(run="R1", at=NOW), State.WARNING),
        (KilledRun(run="R1", at=NOW, done=(text("Start it"),)), State.WARNING),
        *((KilledRun(run="R1", at=NOW, begun=(begun(seen),)), State.WARNING) for seen in Seen if seen != "unknown"),
        (KilledRun(run="R1", at=NOW, begun=(begun(Seen.UNKNOWN),)), State.CRITICAL),
        (KilledRun(run="R1", at=NOW, begun=(begun(Seen.UNKNOWN),), procedure=True), State.WARNING),
    ],
)
def test_a_run_without_an_end_is_a_breach_and_a_step_that_nobody_knows_of_is_critical(
    run: KilledRun | None, state: State
) -> None:
    verdict = judged(*([run] if run else []))
    assert verdict.state is state


def test_the_cause_tells_each_step_that_was_done_or_begun() -> None:
    run = KilledRun(run="R1", at=NOW, done=(text("Stop it"),), begun=(begun(Seen.DONE),))
    finding = runs.run_was_killed(Told(killed=(run,)))
    assert finding.proof is Proof.CONFIRMED
    assert [str(one.statement) for one in finding.evidence] == ["Stop it", "Start it"]
    assert finding.evidence[1].source == "R1 #4: done"


def killed(folder: Path, **kinds: Any) -> Journal:
    book = Journal(folder / "journal.jsonl")
    book.write("begin", run="R1", row="", body={"environment": "test", "epochs": {}})
    book.write("intent", run="R1", row="QUEUE-01", body=msgspec.to_builtins(STEP))
    return book


def test_a_target_that_cannot_be_asked_leaves_it_unknown(tmp_path: Path) -> None:
    killed(tmp_path)
    [run] = Runs("runs", site_at(tmp_path)).killed()  # whose workers are not configured
    assert [step.seen for step in run.begun] == [Seen.UNKNOWN]
    assert "not configured" in str(run.begun[0].said)


def test_a_target_of_a_site_pack_tells_nothing(tmp_path: Path) -> None:
    book = Journal(tmp_path / "journal.jsonl")
    book.write("begin", run="R1", row="", body={"environment": "test", "epochs": {}})
    theirs = msgspec.to_builtins(msgspec.structs.replace(STEP, target="theirs"))
    book.write("intent", run="R1", row="SITE-01", body=theirs)
    [run] = Runs("runs", site_at(tmp_path)).killed()
    assert [step.seen for step in run.begun] == [Seen.UNKNOWN]


def test_a_run_that_acts_just_now_was_not_killed(tmp_path: Path) -> None:
    killed(tmp_path)
    with acting_on("test", tmp_path):
        assert Runs("runs", site_at(tmp_path)).killed() == ()


def test_a_journal_that_was_changed_is_unknown_not_ok(tmp_path: Path) -> None:
    killed(tmp_path)
    file = tmp_path / "journal.jsonl"
    file.write_bytes(file.read_bytes().replace(b"QUEUE-01", b"QUEUE-02"))
    with pytest.raises(ProbeError, match="chain is broken"):
        Runs("runs", site_at(tmp_path)).killed()


def procedure(book: Journal, run: str, outcome: str | None) -> None:
    intent = book.write("intent", run=run, row="PURGE", body={"operation": "purge", "environment": "test"})
    if outcome:
        book.write("result", run=run, row="PURGE", body={"intent": intent.number, "outcome": outcome})


def test_a_killed_procedure_is_told_until_the_next_one_has_come_to_its_end(tmp_path: Path) -> None:
    book, site = Journal(tmp_path / "journal.jsonl"), site_at(tmp_path)
    procedure(book, "P1", "done")
    procedure(book, "P2", None)
    [run] = Runs("runs", site).killed()
    assert (run.run, run.procedure) == ("P2", True)
    procedure(book, "P3", "done")
    assert Runs("runs", site).killed() == ()


def replica(state: str, pid: int | None = None) -> Replica:
    return Replica(service="a", name="a:1", running=state == "RUNNING", state=state, pid=pid)


class Manager:
    """A process manager with one replica and one service."""

    def __init__(self, one: Replica | None = None, wanted: int = 0, running: int = 0) -> None:
        self._one, self._service = one, Service(name="a", wanted=wanted, running=running)

    def replicas(self) -> tuple[Replica, ...]:
        return () if self._one is None else (self._one,)

    def services(self) -> tuple[Service, ...]:
        return (self._service,)


def step(operation: str, fingerprint: dict[str, Any], **arguments: Any) -> Step:
    given = arguments or {"name": "a:1"}
    return Step(what=text("x"), target="workers", operation=operation, arguments=given, fingerprint=fingerprint)


@pytest.mark.parametrize(
    ("manager", "begun", "seen"),
    [
        (Manager(replica("RUNNING", 7)), step("start", {"state": "FATAL"}), Seen.DONE),
        (Manager(replica("FATAL")), step("start", {"state": "FATAL"}), Seen.NOT_DONE),
        (Manager(replica("STARTING")), step("start", {"state": "FATAL"}), Seen.HALFWAY),
        (Manager(replica("BACKOFF")), step("start", {"state": "STOPPED"}), Seen.HALFWAY),
        (Manager(), step("start", {"state": "FATAL"}), Seen.UNKNOWN),
        (Manager(replica("STOPPED")), step("stop", {}), Seen.DONE),
        (Manager(replica("RUNNING", 7)), step("stop", {}), Seen.NOT_DONE),
        (Manager(replica("STOPPING")), step("stop", {"state": "RUNNING"}), Seen.HALFWAY),
        (Manager(replica("RUNNING", 7)), step("restart", {"pid": 7}), Seen.NOT_DONE),
        (Manager(replica("RUNNING", 8)), step("restart", {"pid": 7}), Seen.DONE),
        (Manager(replica("STOPPED")), step("restart", {"pid": 7}), Seen.HALFWAY),
        (Manager(wanted=3, running=3), step("scale", {"running": 1}, service="a", to=3), Seen.DONE),
        (Manager(wanted=3, running=2), step("scale", {"running": 1}, service="a", to=3), Seen.HALFWAY),
        (Manager(wanted=2, running=2), step("scale", {"running": 1}, service="a", to=3), Seen.HALFWAY),
        (Manager(wanted=1, running=1), step("scale", {"running": 1}, service="a", to=3), Seen.NOT_DONE),
        (Manager(wanted=1), step("scale", {"running": 1}, service="b", to=3), Seen.UNKNOWN),
        (Manager(), step("roll", {"running": 2}, service="a"), Seen.HALFWAY),
        (Manager(), step("dance", {}), Seen.UNKNOWN),
    ],
)
def test_how_far_a_step_at_the_process_manager_got(manager: Any, begun: Step, seen: Seen) -> None:
    assert trace_of(manager, begun).seen is seen
