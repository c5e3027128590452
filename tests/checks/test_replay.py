"""Every row judged again on the record of a real check: the same states, causes and plans, whatever the clock says."""

from __future__ import annotations

from pathlib import Path

from lab.place import Place
from runbook.model import Run
from tests.checks.commands import check, states


def test_a_replay_says_what_the_check_said(lab_place: Place, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl.zst"
    live = check(lab_place, "--record", str(file))
    again = check(lab_place, "--replay", str(file), "--output", str(tmp_path))
    assert states(again) == states(live)
    assert causes(again) == causes(live)
    assert again.readings == live.readings


def causes(run: Run) -> dict[str, list[tuple[str, str]]]:
    return {record.row: [(one.name, one.proof) for one in record.findings] for record in run.records}
