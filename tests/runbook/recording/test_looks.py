"""Looks hold what changed, and together everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from runbook.model import Reading, Run, Sample
from runbook.recording.looks import Changes, Head, Recording, judged_at, of_run
from tests.reports import factory

START = datetime(2026, 11, 25, 3, 12, tzinfo=UTC)
#: What each of a few requests answers in one look: nothing where it is not asked.
Answers = dict[str, int | None]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def reading(request: str, value: int | None, seconds: float) -> Reading:
    """An answer; no value is a failure."""
    error = "no answer" if value is None else None
    return Reading(target="t", request=request, value=value, error=error, taken_at=at(seconds), took=timedelta(0))


def looks_of(watch: list[Answers]) -> Recording:
    changes = Changes()
    looks = [
        changes.of(at(5 * n), at(5 * n + 1), [reading(request, value, 5 * n) for request, value in answers.items()])
        for n, answers in enumerate(watch)
    ]
    return Recording(head=Head(record=1, run="R", environment=factory.incident().environment), looks=tuple(looks))


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 2)), max_size=6))
def test_each_look_has_again_what_it_read(watch: list[Answers]) -> None:
    whole = [{one.request: one.value for one in look.readings} for look in looks_of(watch).whole()]
    assert whole == watch


def test_a_look_holds_only_what_changed() -> None:
    first, second, third = looks_of([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"b": 2}]).looks
    assert [one.request for one in first.readings] == ["a", "b"]
    assert ([one.request for one in second.readings], second.gone) == (["b"], ())
    assert (third.readings, third.gone) == ((), ("t.a",))


def test_an_answer_after_a_failure_is_a_change() -> None:
    _failed, answered = looks_of([{"a": None}, {"a": 0}]).looks
    assert answered.readings[0].value == 0


def test_a_check_is_one_look_judged_when_its_rows_were() -> None:
    run = factory.incident()
    [look] = of_run(run).looks
    assert look.readings == run.readings
    assert look.ended_at == judged_at(run) == max(record.verdict.judged_at for record in run.records)


def test_a_stored_watch_gives_the_looks_it_was_made_of() -> None:
    record = looks_of([{"a": 1, "b": 1}, {"a": 2}, {"a": 2, "b": 5}])
    run: Run = msgspec.structs.replace(
        factory.incident(),
        readings=tuple(one for look in record.looks for one in look.readings),
        samples=tuple(Sample(at=look.at, ended_at=look.ended_at, gone=look.gone) for look in record.looks),
    )
    assert of_run(run).looks == record.looks
