"""From rejected records to records that are processed: the lab's workers, the row, its plan, the proof."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lab import site
from lab.incidents import queue, replicas
from lab.incidents.breakage import await_effect
from lab.place import Place
from lab.services.reception import ask_for, invented_event, rate_file
from lab.topology import DEAD_LETTERS, QUEUE
from runbook.model import Choice, Outcome, Proof, Proven
from tests.checks.commands import breached, check, check_until, healthy, proofs, record_of, told

COUNT = 12


@pytest.fixture
def lab(lab_place: Place) -> Iterator[Place]:
    """The session's lab, healthy before and after; nothing comes in meanwhile."""
    check_until(lab_place, healthy)
    ask_for(lab_place, 0)
    yield lab_place
    queue.purge(lab_place, DEAD_LETTERS)
    replicas.restore(lab_place)
    rate_file(lab_place).unlink()
    check_until(lab_place, healthy, within=120)


@pytest.fixture
def quick(lab: Place, tmp_path: Path) -> tuple[str, str]:
    """The lab's settings in its time: what takes a quarter of an hour takes a second."""
    tables = site.tables(lab)
    tables["environments.lab.limits.QUEUE-02"] = {"quiet": "1 s"}
    tables["environments.lab.broker.replay"] = {"watch": "2 s", "patience": "20 s"}
    policy = tables["environments.lab.policy"]
    tables["environments.lab.policy"] = {**policy, "cooldown": "0 s", "rows": {"QUEUE-02": "act"}}
    (tmp_path / "site.toml").write_text(site.toml(tables))
    return "--settings", str(tmp_path / "site.toml")


def bury(place: Place) -> None:
    """Records that are right, rejected by a worker that was wrong; then the right workers come."""
    replicas.stop(place)
    await_effect("no quede ningún consumidor", lambda: queue.consumers(place) == 0)
    dice = random.Random(7)
    with queue.channel(place) as channel:
        channel.queue_purge(QUEUE)
    queue.publish(place, [msgspec.json.encode(invented_event(dice)) for _ in range(COUNT)])
    with queue.channel(place) as channel:
        for _ in range(COUNT):
            method, _, _ = channel.basic_get(QUEUE)
            channel.basic_reject(method.delivery_tag or 0, requeue=False)
    await_effect("queden entre los mensajes muertos", lambda: queue.dead_letters(place) == COUNT)


@pytest.mark.soak
def test_dead_letters_go_back_when_the_workers_are_new(lab: Place, quick: tuple[str, str]) -> None:
    bury(lab)
    before = check_until(lab, lambda run: "QUEUE-02" in breached(run), "QUEUE-02", *quick)
    assert proofs(record_of(before, "QUEUE-02"))["cause_is_gone"] is Proof.RULED_OUT, told(before)
    time.sleep(1.5)  # the row's quiet second
    replicas.restore(lab)
    await_effect("vuelvan los consumidores", lambda: queue.consumers(lab) > 0)

    dry = check(lab, "QUEUE-02", *quick)
    asked = record_of(dry, "QUEUE-02")
    assert asked.plan is not None
    assert [step.arguments for step in asked.plan.steps] == [{"queue": DEAD_LETTERS, "most": COUNT}], told(dry)
    assert asked.decision is not None
    assert (asked.decision.choice, asked.actions) == (Choice.LEAVE, ())

    treated = check(lab, "QUEUE-02", "--fix", *quick)
    record = record_of(treated, "QUEUE-02")
    [action] = record.actions
    assert (action.outcome, action.after["put_back"]) == (Outcome.DONE, COUNT), told(treated)
    assert record.verification is not None
    assert record.verification.proven is Proven.FIXED, told(treated)
    assert queue.dead_letters(lab) == 0
