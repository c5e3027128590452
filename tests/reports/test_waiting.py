"""The plan file in every format: the command is there to be copied, what comes from outside is text."""

from __future__ import annotations

import html
import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reports import board, canonical, render
from reports.language import Language
from runbook.model import PlanNotice, Risk, Run
from runbook.text import text
from tests.reports.factory import at, incident

COMMAND = "muses-runbook apply '/srv/los planes/plan.json' --as NAME --reason 'WHY'"
HOSTILE = "<script>alert(1)</script> @all `x`"


def notice(**more: Any) -> PlanNotice:
    given: dict[str, Any] = {
        "file": "/srv/los planes/plan.json",
        "hash": "0123456789abcdef" * 4,
        "rows": ("QUEUE-01",),
        "steps": 2,
        "risk": Risk.LOW,
        "expires_at": at(timedelta(hours=12).total_seconds()),
        "commands": (COMMAND,),
    }
    return PlanNotice(**given | more)


def run_with(told: PlanNotice) -> Run:
    return msgspec.structs.replace(incident(), plan_file=told)


def shown(run: Run, format: str, code: str = "en") -> str:
    language = Language(code, "America/Mexico_City")
    if format == "terminal":
        stream = io.StringIO()
        with board(language, stream) as made:
            made.finished(run, {"html": Path("x.html")})
        return stream.getvalue()
    return render(run, format, language).decode()


def plain(words: str, format: str) -> str:
    return html.unescape(words) if format == "html" else words


@pytest.mark.parametrize("format", ["html", "markdown", "terminal", "json"])
def test_the_one_command_is_whole_in_every_format(format: str) -> None:
    words = plain(shown(run_with(notice()), format), format)
    assert COMMAND in words
    assert "0123456789ab" in words


@pytest.mark.parametrize("format", ["html", "markdown", "terminal"])
@pytest.mark.parametrize(
    ("told", "title"),
    [
        (notice(), "A plan waits for approval"),
        (notice(rows=(), steps=0, commands=()), "There is nothing to plan"),
        (notice(applied=True, commands=()), "An approved plan was applied"),
        (notice(applied=True, refused={"QUEUE-01": text("It rains")}), "Nothing of the approved plan ran"),
        (
            notice(applied=True, rows=("QUEUE-01", "ETL-01"), refused={"QUEUE-01": text("It rains")}),
            "A part of the approved plan was refused",
        ),
    ],
    ids=["waiting", "empty", "applied", "nothing", "a part"],
)
def test_how_it_went_is_told(format: str, told: PlanNotice, title: str) -> None:
    words = shown(run_with(told), format)
    assert title in words
    assert ("It rains" in words) == bool(told.refused)


@pytest.mark.parametrize("format", ["html", "markdown"])
def test_words_of_people_are_text(format: str) -> None:
    told = notice(approvals=(f"ana: {HOSTILE}",), refused={"QUEUE-01": text("{why}", why=HOSTILE)}, applied=True)
    words = shown(run_with(told), format)
    assert HOSTILE not in words
    assert not re.search(r"(?<!\\)<script>alert", words)


def test_a_run_without_a_plan_says_nothing_of_one() -> None:
    assert "approval" not in shown(incident(), "terminal").lower().replace("needs approval", "")


def test_it_is_read_back_and_an_older_run_has_none() -> None:
    run = run_with(notice())
    assert canonical.load(canonical.dump(run)).plan_file == run.plan_file
    assert canonical.load(canonical.dump(incident())).plan_file is None
