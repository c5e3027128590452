"""The names of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runbook.run_id import new_run_id


def test_run_ids_sort_by_time() -> None:
    first = new_run_id()
    assert first < f"{datetime.now(UTC) + timedelta(days=1):%Y%m%dT%H%M%SZ}"
    assert len({new_run_id() for _ in range(50)}) == 50
