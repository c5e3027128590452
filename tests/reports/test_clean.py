"""Hostile text is made harmless, and nothing masked, infinite or naive gets out."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from reports.clean import label, one_line, outgoing, printable, shortened
from runbook.model import Step
from runbook.text import Quantity, Text
from tests.reports import factory


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("plain ñ → 日本", "plain ñ → 日本"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x1bcreset", "\ufffdcreset"),
        ("\x1b]0;never ended: still evidence", "0;never ended: still evidence"),
        ("a\x00b\x08c", "a\ufffdb\ufffdc"),
        ("invoice\u202egpj.exe", "invoice\ufffdgpj.exe"),
        ("\udcff", "\ufffd"),
        ("one\r\ntwo\rthree\tfour", "one\ntwo\nthree\tfour"),
    ],
)
def test_escape_sequences_go_and_unseen_characters_show(words: str, shown: str) -> None:
    assert printable(words) == shown


def test_one_line_and_a_limit() -> None:
    assert one_line(" a\n\n b\t") == "a b"
    assert shortened("x" * 300, 10) == "x" * 9 + "…"
    assert label("line\nwith ana@example.mx", 100) == "line with ‹correo›"


def test_what_is_stored_is_masked_finite_aware_and_unicode() -> None:
    step = Step(
        what=Text("{who} {n}", {"who": "ana@example.mx", "n": Quantity(math.inf, "s")}),
        target="name",
        operation="start",
        arguments={"nombre": "Ana", "load": math.nan, "path": "\udcff", 7: ("a",)},  # type: ignore[dict-item]
    )
    clean = outgoing(step)
    assert clean.what.values == {"who": "‹correo›", "n": "inf s"}
    assert clean.arguments == {"nombre": "‹nombre›", "load": "nan", "path": "\ufffd", "7": ["a"]}
    assert clean.target == "name"
    assert outgoing(datetime(2026, 1, 1)).tzinfo is UTC


def test_what_is_clean_already_is_not_copied() -> None:
    event = factory.incident().events
    assert outgoing(event) is event
