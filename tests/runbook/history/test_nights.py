"""Which runs were nightly ones, and which of them are past what the site keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook.history import History
from runbook.history.nights import Night, Nights, expired
from runbook.model import State
from runbook.settings import NightlySettings
from runbook.text import text
from tests.runbook.history.test_history import run_at

NOW = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)


def night(ago: float, run: str = "R1") -> Night:
    return Night(NOW - timedelta(days=ago), run, State.OK, None, "")


def test_a_night_is_remembered_with_its_runs_folder_or_with_why_there_was_none(tmp_path: Path) -> None:
    history, nights = History(tmp_path / "h", "prod"), Nights(tmp_path / "h", "prod")
    history.keep(run_at(NOW, State.OK, id="R2"), State.WARNING, tmp_path / "R2")
    nights.note(NOW, "R2", State.WARNING)
    nights.note(NOW - timedelta(days=1), "", State.UNKNOWN, text("it hangs for {span}", span=timedelta(minutes=2)))
    assert nights.all() == (
        Night(NOW - timedelta(days=1), "", State.UNKNOWN, text("it hangs for {span}", span=timedelta(minutes=2)), ""),
        Night(NOW, "R2", State.WARNING, None, str(tmp_path / "R2")),
    )
    assert Nights(tmp_path / "h", "qa").all() == ()
    history.close()
    nights.close()


def test_what_is_forgotten_is_gone_and_a_moment_has_one_night(tmp_path: Path) -> None:
    nights = Nights(tmp_path / "h", "prod")
    for run in ("R1", "R2"):
        nights.note(NOW, run, State.OK)
    nights.note(NOW - timedelta(days=1), "R0", State.OK)
    assert [one.run for one in nights.all()] == ["R0", "R2"]
    nights.forget(nights.all()[:1])
    assert [one.run for one in nights.all()] == ["R2"]
    nights.close()


@pytest.mark.parametrize(
    ("keep", "gone"),
    [("2 d", (3.0, 2.5)), (2, (3.0, 2.5)), ("3", (3.0,)), ("1 h", (3.0, 2.5, 1.0)), ("400 d", ()), (99, ())],
)
def test_a_night_expires_by_its_age_or_by_the_count_but_never_the_last_one(keep: str | int, gone: tuple[float]) -> None:
    nights = tuple(map(night, (3.0, 2.5, 1.0, 0.5)))
    assert expired(nights, NightlySettings(keep=keep), NOW) == tuple(map(night, gone))


@pytest.mark.parametrize("keep", ["soon", 0, -3, "0", "0 d"])
def test_to_keep_nothing_is_a_slip_of_the_pen(keep: str | int) -> None:
    with pytest.raises(ValueError, match=r"keep .*a number of nights"):
        NightlySettings(keep=keep)


@pytest.mark.parametrize(
    ("written", "bucket", "prefix"),
    [
        ("s3://muses-respaldos", "muses-respaldos", ""),
        ("s3://muses-respaldos/", "muses-respaldos", ""),
        ("s3://muses-respaldos/a/b/", "muses-respaldos", "a/b/"),
    ],
)
def test_a_place_in_a_bucket_is_read_with_or_without_a_prefix(written: str, bucket: str, prefix: str) -> None:
    settings = NightlySettings(publish=written)
    assert settings.bucket == (bucket, prefix)
    assert settings.folder is None


def test_a_place_that_is_no_bucket_is_a_folder_and_a_half_address_is_refused() -> None:
    assert NightlySettings(publish="/srv/muses").folder == Path("/srv/muses")
    assert NightlySettings().folder is None
    for written in ("s3:muses", "s3://", "s3://UPPER/x"):
        with pytest.raises(ValueError, match="s3://bucket/prefix"):
            NightlySettings(publish=written)
