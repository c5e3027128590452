"""Rows judged on the record of a real watch: the lab's consolidation stopped for a minute, then its workers.

``check --watch --every 2s ETL-01 QUEUE-01 QUEUE-06 --record two-incidents.jsonl.zst`` on 24 November 2026.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runbook.errors import ReportError, SettingsError
from runbook.model import State
from runbook.testing import Recorded

RECORDS = Path(__file__).parent / "records"
STOOD_STILL = (State.OK, State.WARNING, State.CRITICAL, State.WARNING, State.OK)


def recorded(**limits: dict[str, str | int | float]) -> Recorded:
    given = {row.replace("_", "-"): numbers for row, numbers in limits.items()}
    return Recorded(RECORDS / "two-incidents.jsonl.zst", settings=RECORDS / "site.toml", limits=given)


def test_the_etl_stood_still_because_its_service_was_down() -> None:
    night = recorded()
    assert night.states("ETL-01") == STOOD_STILL
    assert night.causes("ETL-01") == {"consolidation_is_not_working"}


def test_the_queue_grew_because_its_workers_were_down() -> None:
    night = recorded()
    assert night.states("QUEUE-01") == (State.OK, State.CRITICAL, State.OK)
    assert "initial_processing_is_down" in night.causes("QUEUE-01")
    assert night.states("QUEUE-06") == (State.OK, State.WARNING, State.CRITICAL, State.OK)


def test_a_tighter_limit_fires_ten_seconds_earlier() -> None:
    usual, tight = (
        recorded().first("ETL-01", State.WARNING),
        recorded(ETL_01={"warning": "5 s"}).first("ETL-01", State.WARNING),
    )
    assert usual is not None
    assert tight is not None
    assert timedelta(seconds=9) < usual.judged_at - tight.judged_at < timedelta(seconds=11)


def test_a_row_whose_readings_are_not_on_record_is_unknown() -> None:
    assert recorded().states("STAGE-01") == (State.UNKNOWN,)
    assert recorded().first("STAGE-01", State.OK) is None


def test_what_cannot_be_judged_is_said() -> None:
    with pytest.raises(SettingsError, match="NONE-01"):
        recorded().looks("NONE-01")
    with pytest.raises(ReportError, match="no run of muses-runbook"):
        Recorded(RECORDS / "site.toml", settings=RECORDS / "site.toml")
