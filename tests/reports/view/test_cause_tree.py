"""The cause tree: one cause with all the rows it explains."""

from __future__ import annotations

import msgspec

from reports.language import Language
from reports.view import view
from reports.view.cause_tree import ROWS
from tests.reports import factory

EN = Language("en")
replace = msgspec.structs.replace


def test_a_cause_that_several_rows_confirm_is_told_once() -> None:
    rows = (factory.queue(), replace(factory.queue(), row="QUEUE-06"), factory.etl(), factory.host())
    tree = view(factory.replaced(records=rows), EN).causes
    assert [(c.cause, [p.row for p in c.rows]) for c in tree.causes] == [
        ("The consolidation service works on a very large batch", ["ETL-01"]),
        ("The initial-processing service is down", ["QUEUE-01", "QUEUE-06"]),
    ]
    assert [panel.row for panel in tree.unexplained] == ["HOST-01"]


def test_what_was_seen_stands_beside_the_cause_of_one_row_only() -> None:
    alone = view(factory.replaced(records=(factory.queue(),)), EN).causes
    both = view(factory.replaced(records=(factory.queue(), replace(factory.queue(), row="QUEUE-06"))), EN).causes
    assert [alone.causes[0].because, both.causes[0].because] == ["0 of 2 replicas are running", ""]


def test_what_is_left_out_is_counted() -> None:
    many = tuple(replace(factory.queue(), row=f"QUEUE-{n:02}") for n in range(ROWS + 3))
    silent = tuple(replace(factory.host(), row=f"HOST-{n:02}") for n in range(ROWS + 2))
    tree = view(factory.replaced(records=(*many, *silent)), EN).causes
    assert [tree.causes[0].more, tree.more_unexplained] == ["and 3 more", "and 2 more"]
