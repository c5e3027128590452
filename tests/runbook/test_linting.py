"""What is said of a site file without asking any target, and what of it refuses a run."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook import linting, rows
from runbook.commands import catalogue
from runbook.limits import Threshold
from runbook.scripts import script_rows
from runbook.settings import EnvironmentSettings, SqlRowsSettings, Waiver
from runbook.text import bilingual

TODAY = date(2026, 11, 24)
SHARE = Threshold(80, 90, unit="%")
SPAN = Threshold(timedelta(minutes=15), timedelta(minutes=45))
RATIO = Threshold(300, 150, unit="%", direction="below")
FREE = Threshold(20, 10, unit="%", direction="below")


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_registry", {})


def said(threshold: Threshold | None, **overrides: Any) -> list[tuple[str, str, bool]]:
    declared = rows.Row("X-01", bilingual("x", "x"), None, "", "x", lambda: None, threshold, (), {"window": "5"})
    rows._registry["X-01"] = declared
    environment = EnvironmentSettings(limits={"X-01": overrides} if overrides else {})
    found = linting.remarks((declared,), environment, today=TODAY)
    return [(remark.key, str(remark.said), remark.refuses) for remark in found]


@pytest.mark.parametrize(
    "threshold", [SHARE, SPAN, FREE, None, Threshold(5, 5, unit="rows"), Threshold(None, 0, "rows")]
)
def test_nothing_is_said_of_what_is_in_order(threshold: Threshold | None) -> None:
    assert said(threshold) == []


@pytest.mark.parametrize(
    ("threshold", "overrides", "key", "word", "refuses"),
    [
        (SHARE, {"warning": 95}, "limits.X-01.warning", "beyond critical", True),
        (FREE, {"warning": 5}, "limits.X-01.warning", "beyond critical", True),
        (SPAN, {"warning": "2 h"}, "limits.X-01.warning", "beyond critical", True),
        (SPAN, {"warning": 15}, "limits.X-01.warning", "15 min", True),
        (SHARE, {"warning": "4 GB"}, "limits.X-01.warning", "does not fit", True),
        (Threshold(1, 2, unit="messages"), {"warning": "1 min"}, "limits.X-01.warning", "counts in messages", True),
        (SHARE, {"warnin": 1}, "limits.X-01", "no number 'warnin'", True),
        (SHARE, {"critical": float("nan")}, "limits.X-01.critical", "nan", True),
        (SHARE, {"critical": 100}, "limits.X-01.critical", "never exceeded", False),
        (SHARE, {"critical": float("inf")}, "limits.X-01.critical", "never exceeded", False),
        (FREE, {"critical": 0}, "limits.X-01.critical", "never exceeded", False),
        (SHARE, {"warning": -1}, "limits.X-01.warning", "always breached", False),
        (Threshold(None, None, unit="%"), {}, "limits.X-01", "never breached", False),
    ],
)
def test_thresholds_that_cannot_be_meant(
    threshold: Threshold, overrides: dict[str, Any], key: str, word: str, refuses: bool
) -> None:
    ((found, words, refused),) = said(threshold, **overrides)
    assert (found, word in words, refused) == (key, True, refuses)


@pytest.mark.parametrize("given", ["90 %", "90", 90, 90.0])
def test_a_number_may_be_written_with_its_unit(given: str | float) -> None:
    assert said(SHARE, critical=given) == []


@pytest.mark.parametrize(
    ("table", "settings"),
    [
        ("limits", {"limits": {"X-1": {"warning": 1}}}),
        ("settling", {"settling": {"X-1": timedelta(1)}}),
        (
            "waivers",
            {
                "waivers": (
                    Waiver(
                        row="X-1",
                        owner="a",
                        approver="b",
                        reason="c",
                        start=TODAY,
                        expires=TODAY,
                        state="WARNING",
                        seen={"a": 1},
                    ),
                )
            },
        ),
    ],
)
def test_rows_that_do_not_exist_are_refused_with_the_nearest(table: str, settings: dict[str, Any]) -> None:
    said(SHARE)
    found = list(linting.remarks((), EnvironmentSettings(**settings), today=TODAY))
    assert [(one.key, one.nearest, one.refuses) for one in found] == [(f"{table}.X-1", "X-01", True)]
    lost = list(linting.remarks((), EnvironmentSettings(**settings), today=TODAY, lost=True))
    assert [one.refuses for one in lost] == [False]


def test_an_id_is_written_as_the_reports_write_it() -> None:
    said(SHARE)
    (found,) = linting.remarks((), EnvironmentSettings(limits={"x-01": {"warning": 1}}), today=TODAY)
    assert (found.key, found.nearest, found.refuses) == ("limits.x-01", "X-01", True)


def test_waivers_that_do_not_count_are_told() -> None:
    said(SHARE)
    common = {"row": "X-01", "owner": "a", "approver": "b", "reason": "c", "state": "WARNING"}
    past = Waiver(**common, start=date(2026, 1, 1), expires=date(2026, 2, 1), seen={"a": 1})
    later = Waiver(**common, start=date(2026, 12, 1), expires=date(2026, 12, 2))
    found = linting.remarks((), EnvironmentSettings(waivers=(past, later)), today=TODAY)
    assert [(str(one.said)[:20], one.refuses) for one in found] == [
        ("The waiver expired o", False),
        ("The waiver begins on", False),
        ("no object was noted:", False),
    ]


def test_scripts_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- params: lote\n-- timeout: 1 h\nUPDATE t SET a = :'lote'")
    row = script_rows.module_of(tmp_path / "a.sql", tmp_path).check.__row__
    environment = EnvironmentSettings(sql_rows=SqlRowsSettings(params={"lot": 1}))
    found = [(one.key, str(one.said)) for one in linting.remarks((row,), environment, today=TODAY)]
    assert [key for key, _ in found] == ["A", "A", "A", "sql_rows.params.lot"]
    assert "UPDATE is not run" in found[0][1]
    assert "No value for lote" in found[1][1]
    assert "longer than the run's deadline" in found[2][1]


def test_our_own_rows_have_sound_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ours = [row for row in catalogue.load_rows() if row.check.__module__.startswith("checks.")]
    assert len(ours) > 40
    found = [f"{one.key}: {one.said}" for one in linting.remarks(ours, EnvironmentSettings(), today=TODAY)]
    assert found == []
