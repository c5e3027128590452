"""The file: what is in it, what is not, and that nobody changes a character of it unseen."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import PlanError
from runbook.model import Effect, Proof, Step
from runbook.plans.plan_file import LARGEST, load, save
from runbook.rows import Row
from runbook.site import Site
from runbook.text import Quantity, text
from tests.runbook.fakes import Tank, drain_step, tank_row
from tests.runbook.plans import planning
from tests.runbook.plans.planning import SOON, approved, planned, two_tanks

CURP = "XEXX010101HNEXXXA4"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return planning.site_for(tmp_path, planning.by_hmac(tmp_path))


def plan_of(site: Site, row: Row, tank: Tank) -> Any:
    return planned(site, {row.id: tank}, [row]).plan


def test_it_is_read_back_as_it_was_written_with_its_approvals(site: Site, tmp_path: Path) -> None:
    plan = approved(planned(site, two_tanks()), site)
    save(plan, tmp_path / "deep" / "plan.json")
    assert load(tmp_path / "deep" / "plan.json") == plan
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["plan.json"]
    assert not stat.S_IMODE((tmp_path / "deep" / "plan.json").stat().st_mode) & 0o007


def test_making_it_changes_nothing_and_leaves_no_trace_of_acting(site: Site, tmp_path: Path) -> None:
    tanks = two_tanks()
    plan = planned(site, tanks)
    assert [row.row for row in plan.plan.rows] == ["TANK-01", "TANK-02"]
    assert [tank.drained for tank in tanks.values()] == [0, 0]
    assert not (tmp_path / "journal.jsonl").exists()
    assert not list(tmp_path.glob("*.lock"))


def test_whole_numbers_do_not_change_its_hash(site: Site, tmp_path: Path) -> None:
    worded = Step(what=text("Drain {n}", n=Quantity(3, "step")), target="tank", operation="drain", arguments={"to": 0})
    plan = planned(site, {"TANK-01": Tank(25)}, [tank_row(steps=lambda tank: [worded])])
    save(plan, tmp_path / "plan.json")
    assert load(tmp_path / "plan.json").hash == plan.hash


def edits(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every leaf of a JSON document."""
    if isinstance(document, dict | list):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        return [leaf for key, inner in pairs for leaf in edits(inner, (*path, key))]
    return [path]


def test_any_leaf_that_is_changed_is_seen(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    save(planned(site, two_tanks()), file)
    whole = json.loads(file.read_text())
    leaves = [("plan", *path) for path in edits(whole["plan"])]
    assert len(leaves) > 30
    for path in leaves:
        document = json.loads(json.dumps(whole))
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = _another(place[path[-1]])
        file.write_text(json.dumps(document))
        with pytest.raises(PlanError):
            load(file)


def _another(value: Any) -> Any:
    match value:
        case bool() | None:
            return "other"
        case int() | float():
            return value + 1
        case _:
            return f"{value}x"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no plan file"),
        (b"[]", "is no plan file"),
        (b'{"hash": "0"}', "is no plan file"),
        (b"\xff\xfe", "is no plan file"),
        (b" " * (LARGEST + 1), "too large"),
    ],
    ids=["empty", "list", "half", "binary", "large"],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(PlanError, match=words):
        load(tmp_path / "plan.json")


def test_a_key_that_nobody_knows_does_not_ride_along(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    save(planned(site, two_tanks()), file)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"force": True}))
    with pytest.raises(PlanError):
        load(file)


def test_one_of_a_newer_form_is_refused(site: Site, tmp_path: Path) -> None:
    save(planned(site, two_tanks(), schema=2), tmp_path / "plan.json")
    with pytest.raises(PlanError, match="form 2, not 1"):
        load(tmp_path / "plan.json")


def test_no_file_and_a_folder_that_cannot_be_written_are_said(site: Site, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        load(tmp_path / "none.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(PlanError, match="cannot be written"):
        save(planned(site, two_tanks()), tmp_path / "file" / "plan.json")


@pytest.mark.parametrize("hidden", ["arguments", "fingerprint", "undo"])
def test_a_step_that_names_a_person_is_not_written_down(site: Site, hidden: str) -> None:
    facts = {"to": 0, "seen": CURP}
    inner = Step(what=text("Fill"), target="tank", operation="drain", arguments=facts)
    step = {
        "arguments": Step(what=text("Drain"), target="tank", operation="drain", arguments=facts),
        "fingerprint": Step(what=text("Drain"), target="tank", operation="drain", fingerprint=facts),
        "undo": Step(what=text("Drain"), target="tank", operation="drain", undo=inner),
    }[hidden]
    plan = plan_of(site, tank_row(steps=lambda tank: [step], settles=SOON), Tank(25))
    assert plan.rows == ()
    assert "personal datum" in str(plan.left_out[0].reason)


def test_words_from_outside_are_masked_in_it(site: Site) -> None:
    step = Step(what=text("Drain for {who}", who=CURP), target="tank", operation="drain", effect=Effect.CHANGE)
    plan = plan_of(site, tank_row(steps=lambda tank: [step], settles=SOON), Tank(25))
    assert CURP not in str(plan)
    assert "‹CURP›" in str(plan.rows[0].plan.steps[0].what)


@pytest.mark.parametrize(
    ("row", "tank", "left_out"),
    [
        pytest.param(tank_row(proof=Proof.UNKNOWN), Tank(25), 1, id="a guess"),
        pytest.param(
            tank_row(steps=lambda tank: [Step(what=text("?"), target="tank", operation="close")]),
            Tank(25),
            1,
            id="an effect that nobody declared",
        ),
        pytest.param(tank_row(steps=lambda tank: [drain_step(tank)] * 9), Tank(25), 1, id="too much"),
        pytest.param(tank_row(), Tank(5), 0, id="healthy"),
    ],
)
def test_what_approval_could_not_let_run_is_left_out_and_told(site: Site, row: Row, tank: Tank, left_out: int) -> None:
    plan = plan_of(site, row, tank)
    assert plan.rows == ()
    assert len(plan.left_out) == left_out
