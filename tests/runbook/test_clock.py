"""The clock that rows are judged by."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from runbook import clock

THEN = datetime(2026, 11, 24, 3, 12, tzinfo=UTC)


def test_it_stands_only_as_long_as_it_is_held() -> None:
    with clock.standing_at(THEN):
        assert clock.now() == THEN
        with clock.standing_at(None):
            assert datetime.now(UTC) - clock.now() < timedelta(seconds=5)
        assert clock.now() == THEN
    assert clock.now() > THEN


def test_other_threads_have_their_own() -> None:
    seen: list[datetime] = []
    with clock.standing_at(THEN):
        thread = threading.Thread(target=lambda: seen.append(clock.now()))
        thread.start()
        thread.join()
    assert seen[0] > THEN
