"""What goes into a ticket and into a message: in every syntax, with hostile words, within what the other side takes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt

from reports import notifications, tickets
from reports.language import Language
from reports.markdown import FLAVOURS
from runbook.delivery.tickets.tracker import STATE, Mark, hidden, mark_at_start
from runbook.incidents import Incident
from runbook.model import State
from tests.reports import factory

ENGLISH = Language("en")
INCIDENT = Incident(
    id="lab-20261124T143105Z",
    environment="lab",
    began=factory.at(0),
    ended=None,
    rows=("QUEUE-01", "BACKUP-01"),
    worst=State.CRITICAL,
    runs=("20261124T143105Z-7c1f",),
)
OVER = msgspec.structs.replace(INCIDENT, ended=INCIDENT.began + timedelta(minutes=42))
HOSTILE = msgspec.structs.replace(
    INCIDENT, id=factory.HOSTILE, environment=factory.HOSTILE, rows=(factory.HOSTILE,) * 30, runs=(factory.HOSTILE,)
)


def plain(words: str, flavour: str) -> str:
    """The words of a text in any syntax."""
    return "".join(_texts(json.loads(words))) if flavour == "adf" else words


def _texts(node: dict[str, Any]) -> list[str]:
    inner = [word for child in node.get("content", ()) for word in _texts(child)]
    assert node["type"] != "text" or node["text"]
    return [node["text"]] if node["type"] == "text" else inner


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_incident_stands_over_the_first_screen_of_the_run(flavour: str) -> None:
    said = plain(tickets.body(factory.incident(), INCIDENT, flavour, ENGLISH), flavour)
    assert said.index("lab-20261124T143105Z") < said.index("SEP")
    assert "lasts since" in said
    assert len(tickets.body(factory.incident(), INCIDENT, flavour, ENGLISH)) < 32_000
    alone = plain(tickets.body(factory.incident(), None, flavour, ENGLISH), flavour)
    assert "lab-20261124T143105Z" not in alone


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_end_says_whether_it_was_mended(flavour: str) -> None:
    fixed, accepted = (plain(tickets.ending(OVER, flavour, ENGLISH, fixed=is_so), flavour) for is_so in (True, False))
    assert "Fixed and proven" in fixed
    assert "42 min" in fixed
    assert "waiver" in accepted


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_hostile_names_stay_words(flavour: str) -> None:
    for words in (
        tickets.opening(HOSTILE, flavour, ENGLISH),
        tickets.body(factory.hostile(), HOSTILE, flavour, ENGLISH),
        tickets.ending(HOSTILE, flavour, ENGLISH, fixed=True),
    ):
        said = plain(words, flavour)
        assert "\x1b" not in said
        assert "\u202e" not in said
        if flavour in ("github", "gitlab"):
            assert "<script" not in MarkdownIt("commonmark").render(said)
        assert len(words) < 32_000


def test_a_title_is_one_line_that_every_tracker_takes() -> None:
    assert tickets.title(factory.incident(), INCIDENT, ENGLISH).endswith("· lab: Critical – QUEUE-01, BACKUP-01")
    hostile = tickets.title(factory.hostile(), HOSTILE, ENGLISH)
    assert (len(hostile) <= tickets.TITLE, hostile.isprintable()) == (True, True)


@pytest.mark.parametrize(
    "name", ["prod", "a b", "--><b>", "x--y", "ñandú=1 run=2", factory.HOSTILE.encode("ascii", "ignore").decode()]
)
def test_a_mark_is_read_back_and_nothing_of_it_shows(name: str) -> None:
    mark = Mark(name, "20261124T143105Z-7c1f", STATE, "9f2c")
    line = hidden(mark)
    assert mark_at_start(f"{line}\nwords") == mark
    assert line.count("--") == 2
    assert line.isprintable()
    assert mark_at_start(f"> {line}") is None
    assert mark_at_start(f"words\n{line}") is None


def test_a_message_tells_eight_rows_and_counts_the_rest() -> None:
    many = tuple(f"ROW-{n:02d}" for n in range(30))
    told = notifications.message((("began", many),), msgspec.structs.replace(INCIDENT, rows=many), None, ENGLISH)
    assert told.title == "lab: Incident begins – ROW-00, ROW-01, ROW-02 and 27 more"
    assert "ROW-07" in told.body
    assert "ROW-08" not in told.body
    assert "and 22 more" in told.body
    assert told.tone == "failure"


def test_a_hostile_message_calls_nobody() -> None:
    changes = (("new", HOSTILE.rows), ("worse", HOSTILE.rows))
    told = notifications.message(
        changes, HOSTILE, factory.hostile("<!here> @team #1 https://x"), ENGLISH, acknowledged="@all"
    )
    for word in ("<!here", "@team", "@all", "#1", "://", "\x1b", "<script"):
        assert word not in told.title + told.body
