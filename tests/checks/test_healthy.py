"""A healthy lab raises no alarm, however often it is asked."""

from __future__ import annotations

import pytest

from lab.place import Place
from runbook.model import State
from tests.checks.commands import BREACHED, check, check_until, healthy, told


@pytest.mark.parametrize("checks", [10, pytest.param(50, marks=pytest.mark.soak)])
def test_checks_of_a_healthy_lab_raise_no_alarm(lab_place: Place, checks: int) -> None:
    check_until(lab_place, healthy)
    for _turn in range(checks):
        run = check(lab_place)
        assert not [r for r in run.records if r.verdict.state in BREACHED or r.verdict.state is State.UNKNOWN], told(
            run
        )
