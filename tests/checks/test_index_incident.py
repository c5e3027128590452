"""An index is missing in the lab: INDEX-05 says which, builds it, and the server's own times prove it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.incidents import BREAKAGES
from lab.place import Place
from runbook.model import Outcome, Proof, Proven, State
from tests.checks.commands import check, check_until, healthy, proofs, record_of, states, told

ROWS = ("ETL-01", "INDEX-01", "INDEX-02", "INDEX-03", "INDEX-04", "INDEX-05")


@pytest.fixture
def lab(lab_place: Place) -> Iterator[Place]:
    """The session's lab, healthy before and after."""
    check_until(lab_place, healthy, *ROWS)
    yield lab_place
    BREAKAGES["slow-query"].heal(lab_place)
    check_until(lab_place, healthy, *ROWS, within=120)


@pytest.mark.soak
def test_the_missing_index_is_found_built_and_proven(lab: Place) -> None:
    BREAKAGES["slow-query"].apply(lab)
    run = check_until(lab, lambda run: states(run)["INDEX-05"] in (State.WARNING, State.CRITICAL), "INDEX-05")
    record = record_of(run, "INDEX-05")
    assert proofs(record) == {"index_is_missing": Proof.CONFIRMED}
    treated = check(lab, "INDEX-05", "--fix")
    after = record_of(treated, "INDEX-05")
    (action, *_others) = after.actions
    assert (action.step.operation, action.outcome) == ("create_index", Outcome.DONE), told(treated)
    assert action.step.arguments["columns"][0] == "curp"
    assert action.after["after"]["valid"] is True
    timed = action.after["statements"]
    assert any(one["cost_before"] > 5 * one["cost_after"] for one in timed if one["cost_before"]), timed
    assert any(one["calls_after"] and one["mean_ms_after"] < one["mean_ms_before"] / 2 for one in timed), timed
    assert after.verification is not None
    assert after.verification.proven is Proven.FIXED, told(treated)
