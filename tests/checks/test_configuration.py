"""DB-19 to DB-21: the site's baseline, changes that wait for a restart, the version's end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from checks import _settings, _versions, configuration
from runbook.model import State
from tests.checks import fakes
from tests.checks.fakes import Told
from tests.checks.loads import server, setting


def declared(*found: Any, **baseline: str) -> Any:
    database = Told(server=server(settings=found))
    database.baseline = baseline  # type: ignore[attr-defined]
    return fakes.judged(configuration.check_settings_are_as_declared, database=database)


class TestBaseline:
    """DB-19."""

    @pytest.mark.parametrize(
        ("value", "unit", "kind", "same", "other"),
        [
            ("1048576", "8kB", "integer", ("8GB", "8192MB", " 8 GB ", "1048576"), ("8", "8GiB", "80GB", "", "x", "1h")),
            ("65536", "kB", "integer", ("64MB", "65536", "65536kB"), ("64", "64kB", "64s")),
            ("300", "s", "integer", ("5min", "300", "300s", "300000ms"), ("5", "5MB", "5 h")),
            ("-1", "min", "integer", ("-1",), ("1",)),
            ("200", "", "integer", ("200", "200.0"), ("200MB", "20")),
            ("1.1", "", "real", ("1.1", "1.10", "11e-1"), ("4",)),
            ("on", "", "bool", ("on", "true", "YES", "1"), ("off", "0", "maybe")),
            ("replica", "", "enum", ("replica", "Replica"), ("logical",)),
            ("on", "", "enum", ("on", "true"), ("off", "remote_apply")),
            ("a, b", "", "string", ("a,b", "a, b"), ("a", "A,b")),
        ],
    )
    def test_the_same_value_in_other_words(
        self, value: str, unit: str, kind: str, same: tuple[str, ...], other: tuple[str, ...]
    ) -> None:
        found = setting("x", value, unit=unit, kind=kind)
        assert [words for words in same if not _settings.same(found, words)] == []
        assert [words for words in other if _settings.same(found, words)] == []

    def test_what_differs_is_told_with_where_it_is_from(self) -> None:
        found = declared(setting(), shared_buffers="16GB")
        assert found.state is State.WARNING
        assert str(found.summary) == "shared_buffers is 8GB, where the site declares 16GB (configuration file)"

    def test_what_is_the_same(self) -> None:
        assert declared(setting(), shared_buffers="8GB").state is State.OK

    def test_what_the_server_does_not_show(self) -> None:
        assert declared(shared_bufers="8GB").state is State.UNKNOWN

    def test_nothing_is_declared(self) -> None:
        assert declared(setting()).state is State.SKIPPED


@pytest.mark.parametrize(("waits", "state"), [(True, State.WARNING), (False, State.OK)])
def test_a_change_that_waits_for_a_restart(waits: bool, state: State) -> None:
    told = server(settings=(setting(pending_restart=waits),))
    assert fakes.judged(configuration.check_no_setting_waits_for_a_restart, database=Told(server=told)).state is state


@pytest.mark.parametrize(
    ("version", "day", "state"),
    [
        (140_020, (2026, 5, 16), State.OK),
        (140_020, (2026, 5, 18), State.WARNING),
        (140_020, (2026, 11, 12), State.WARNING),
        (140_020, (2026, 11, 13), State.CRITICAL),
        (170_010, (2026, 11, 24), State.OK),
        (90_624, (2026, 11, 24), State.CRITICAL),
        (190_000, (2026, 11, 24), State.OK),
    ],
)
def test_the_versions_end(version: int, day: tuple[int, int, int], state: State) -> None:
    told = server(version=version, now=datetime(*day, 12, tzinfo=UTC))
    assert fakes.judged(configuration.check_version_is_supported, database=Told(server=told)).state is state


def test_a_version_newer_than_the_list_ends_five_years_after_its_autumn() -> None:
    assert [_versions.end_of_life(major).year for major in (9, 18, 19)] == [2021, 2030, 2031]
