"""A text keeps within its limit: with less detail where there is some, else cut between blocks, and it says so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from reports.document.blocks import Block, Heading, Item, Items, Paragraph, Table, line
from reports.document.fitting import fitted
from reports.markdown.github import written

LONG = (Heading(1, line("Title")), Paragraph(line("x" * 300)))
SHORT = (Heading(1, line("Title")), Paragraph(line("x" * 30)))


def test_the_first_that_fits_is_taken() -> None:
    assert fitted((LONG, SHORT), written, 1_000, "cut") == written(LONG)
    assert fitted((LONG, SHORT), written, 100, "cut") == written(SHORT)


@pytest.mark.parametrize("largest", [30, 60, 100, 200, 299])
@pytest.mark.parametrize(
    "block",
    [
        Table(("a", "b"), ((line("1"), line("2")),) * 100),
        Items((Item(line("entry")),) * 100),
        Paragraph(line("word " * 100)),
    ],
    ids=["table", "items", "paragraph"],
)
def test_what_never_fits_is_cut_between_its_parts(block: Block, largest: int) -> None:
    blocks: Sequence[Block] = (Heading(1, line("T")), block)
    made = fitted((blocks,), written, largest, "cut")
    assert len(made) <= largest
    assert made.startswith("# T\n")
    assert made.endswith("> **cut**\n")
    rows = [row for row in made.splitlines() if row.startswith("|")]
    assert all(row.count("|") == 3 for row in rows)
    if largest > 100 and not isinstance(block, Paragraph):
        assert len(made) > largest / 2


def test_what_counts_is_what_the_tracker_counts() -> None:
    assert fitted((LONG, SHORT), written, 60, "cut", size=lambda text: len(text) // 10) == written(LONG)
