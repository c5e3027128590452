"""A healthy lab raises no alarm, however often it is asked."""

from __future__ import annotations

from lab.place import Place
from runbook.model import State
from tests.checks.commands import BREACHED, check, check_until, healthy, told


def test_fifty_checks_of_a_healthy_lab_raise_no_alarm(lab_place: Place) -> None:
    check_until(lab_place, healthy)
    for _turn in range(50):
        run = check(lab_place)
        assert not [r for r in run.records if r.verdict.state in BREACHED or r.verdict.state is State.UNKNOWN], told(
            run
        )
