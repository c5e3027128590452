"""A step in its time: each operation has a deadline of its own, and one that takes long ends when it is asked to."""

from __future__ import annotations

import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.acting import performing
from runbook.acting.journal import Journal
from runbook.acting.locks import Hold
from runbook.errors import ActionError
from runbook.model import Action, Effect, Outcome, Plan, Step
from runbook.targets.base import DEADLINE, Target, operation
from runbook.text import text


class Mill(Target):
    """Grinds until it is done or asked to end."""

    def __init__(self) -> None:
        super().__init__("mill")
        self.begun, self.asked, self.done = threading.Event(), threading.Event(), threading.Event()

    @operation(Effect.CHANGE, deadline=timedelta(seconds=0.2))
    def grind(self, *, fingerprint: dict[str, Any]) -> dict[str, Any]:
        self.done.wait(20)
        return {}

    @operation(Effect.DESTROY, deadline=timedelta(hours=6))
    def grind_for_hours(self, *, fingerprint: dict[str, Any]) -> dict[str, Any]:
        self.begun.set()
        if self.asked.wait(20):
            raise ActionError(self.name, "grind_for_hours", "was stopped")
        return {}

    @operation(Effect.CHANGE)
    def turn(self, *, fingerprint: dict[str, Any]) -> dict[str, Any]:
        return {}

    def interrupt(self) -> None:
        self.asked.set()


def step(name: str) -> Step:
    return Step(what=text("Grind"), target="mill", operation=name)


def performed(mill: Mill, folder: Path, *names: str) -> list[Action]:
    plan = Plan(remedy="grind", steps=tuple(map(step, names)))
    journal = Journal(folder / "journal.jsonl")
    done: list[Action] = []
    for action in performing.perform(
        plan, {"mill": mill}, journal, Hold(), run="R1", row="MILL-01", begins=lambda step: None
    ):
        done.append(action)
    return done


@pytest.mark.parametrize(
    ("name", "deadline"),
    [
        ("grind", timedelta(seconds=0.2)),
        ("grind_for_hours", timedelta(hours=6)),
        ("turn", DEADLINE),
        ("no_such", DEADLINE),
    ],
)
def test_an_operation_declares_how_long_it_may_take(name: str, deadline: timedelta) -> None:
    assert Mill().deadline_of(step(name)) == deadline


def test_a_step_that_does_not_come_back_in_its_time_is_left_behind(tmp_path: Path) -> None:
    mill, began = Mill(), time.monotonic()
    left, later = performed(mill, tmp_path, "grind", "turn")
    mill.done.set()
    assert time.monotonic() - began < 5
    assert (left.outcome, later.outcome) == (Outcome.FAILED, Outcome.NOT_RUN)
    assert "did not come back" in str(left.result)


def test_an_interrupt_asks_a_long_step_to_end_and_its_result_reaches_the_journal(tmp_path: Path) -> None:
    mill = Mill()

    def interrupt() -> None:
        mill.begun.wait(20)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    person = threading.Thread(target=interrupt)
    person.start()
    with pytest.raises(KeyboardInterrupt):
        performed(mill, tmp_path, "grind_for_hours", "turn")
    person.join()
    written = (tmp_path / "journal.jsonl").read_text()
    assert "was stopped" in written
    assert "turn" not in written


def test_a_target_that_ends_soon_by_itself_needs_no_asking() -> None:
    Target("plain").interrupt()
