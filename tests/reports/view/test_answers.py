"""The answers about the run as a whole."""

from __future__ import annotations

import msgspec

from reports.language import Language
from reports.view import view
from runbook.model import Outcome, Record, Run
from tests.reports import factory

EN = Language("en")
replace = msgspec.structs.replace


def told(run: Run) -> dict[str, tuple[str, ...]]:
    """The sentences by their question."""
    return {answer.question: answer.sentences for answer in view(run, EN).answers}


def test_the_incident_in_six_answers() -> None:
    assert told(factory.incident()) == {
        "Since": ("BACKUP-01 for 3 h, since 24 Nov 2026, 05:31:05 UTC-06:00",),
        "How bad": ("BACKUP-01: 2 d 5 h (limit 2 d 2 h)",),
        "Why": (
            "The consolidation service works on a very large batch",
            "The initial-processing service is down",
        ),
        "What was done": ("2 steps done",),
        "Did it help?": ("1 of 1 treated rows fixed and proven",),
        "What is left": (
            "3 rows are open",
            "BACKUP-01: Run the backup procedure and find out why the one of 03:30 did not run",
        ),
    }


def test_a_row_that_is_alone_needs_no_summary_of_itself() -> None:
    assert told(factory.replaced(records=(factory.queue(), factory.healthy("DB-01")))) == {}


def test_what_failed_is_counted_apart_and_nothing_unproven_is_told_as_help() -> None:
    refused = replace(factory.queue().actions[0], outcome=Outcome.REFUSED)
    queue = replace(factory.queue(), actions=(refused, factory.queue().actions[1]), verification=None)
    answers = told(factory.replaced(records=(queue, factory.host())))
    assert answers["What was done"] == ("1 step done", "1 step failed or was refused")
    assert answers["Did it help?"] == ("Not proven",)


def test_rows_that_nobody_could_read_say_so() -> None:
    hosts: tuple[Record, ...] = (factory.host(), replace(factory.host(), row="HOST-06"))
    answers = told(factory.replaced(records=hosts))
    assert answers["Since"] == ("first seen in this run",)
    assert answers["How bad"] == ("HOST-01: ssh://app2.muses.local gave no answer within 5 s",)
    assert answers["Why"] == ("No cause is confirmed",)
    assert answers["What was done"] == ("Nothing was changed",)
    assert answers["Did it help?"] == ("Does not apply",)


def test_nothing_is_left_when_all_is_proven_fixed() -> None:
    fixed = (factory.queue(), replace(factory.queue(), row="QUEUE-09"))
    assert told(factory.replaced(records=fixed))["What is left"] == ("Nothing is left to do",)
