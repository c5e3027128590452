"""Nobody's data and no secret is in anything that is made from a run, whatever field it came in by."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import reports
from reports import findings, matrix, monthly, nights, notifications, postmortem, telemetry, terminal, tickets
from reports.language import Language
from reports.matrix import Column
from reports.monthly.month import Month
from reports.postmortem.case import Case
from runbook.history import Judged, Kept, Measured
from runbook.incidents import Incident
from runbook.model import Run, State
from runbook.recording import files
from tests.reports import canaries, factory

ES = Language("es")
#: Made of the HTML and of the Markdown, and slow to make: one look at all canaries at once.
SLOW = ("docx", "pdf")


def outputs() -> dict[str, Callable[[Run], bytes]]:
    """Everything that leaves, by its name."""
    made: dict[str, Callable[[Run], bytes]] = {
        name: lambda run, name=name: reports.render(run, name, ES)  # type: ignore[misc]
        for name in reports.FORMATS
        if name not in SLOW
    }
    for flavour in ("github", "gitlab", "jira", "adf", "plain"):
        made[f"ticket for {flavour}"] = lambda run, flavour=flavour: _ticket(run, flavour)  # type: ignore[misc]
        made[f"comment for {flavour}"] = lambda run, flavour=flavour: reports.comment(run, flavour, ES)  # type: ignore[misc]
    for name in matrix.FORMATS:
        made[f"matrix as {name}"] = lambda run, name=name: matrix.render(_columns(run), name, ES)  # type: ignore[misc]
    others = {
        "OpenTelemetry": _telemetry,
        "terminal": _terminal,
        "files of SQL rows": _files,
        "notification": _notification,
        "post-mortem": _postmortem,
        "monthly report": _monthly,
        "index of the nights": _nights,
        "record": _record,
    }
    return made | others


def _telemetry(run: Run) -> bytes:
    return b"\n".join(request.content for request in telemetry.requests(run, ES))


def _terminal(run: Run) -> bytes:
    stream = io.StringIO()
    with terminal.Board(ES, stream) as board:
        board.finished(run, {})
    return stream.getvalue().encode()


def _files(run: Run) -> bytes:
    made = [file for found in findings.files(run, reports.file_stem(run.id)).values() for file in found]
    return b"\n".join(part for file in made for part in (file.name.encode(), file.content))


def _incident(run: Run) -> Incident:
    return Incident(
        id=run.environment.name,
        environment=run.environment.name,
        began=run.started_at,
        ended=None,
        rows=tuple(record.row for record in run.records),
        worst=State.CRITICAL,
        runs=(run.id,),
    )


def _notification(run: Run) -> bytes:
    incident = _incident(run)
    changes = (("began", incident.rows),)
    message = notifications.message(changes, incident, run, ES, acknowledged=run.environment.host)
    return f"{message.title}\n{message.body}".encode()


def _ticket(run: Run, flavour: str) -> bytes:
    incident = _incident(run)
    parts = (
        tickets.title(run, incident, ES),
        tickets.opening(incident, flavour, ES),
        tickets.body(run, incident, flavour, ES),
        tickets.ending(incident, flavour, ES, fixed=True),
    )
    return "\n".join(parts).encode()


def _monthly(run: Run) -> bytes:
    rows = [(record, measure) for record in run.records for measure in record.verdict.measures]
    month = Month(
        environment=run.environment,
        start=run.started_at - timedelta(days=20),
        end=run.started_at + timedelta(days=10),
        made_at=run.ended_at,
        judged=tuple(Judged(run.id, record.row, run.ended_at, State.CRITICAL, State.OK, False) for record, _ in rows),
        kept=(Kept(run.id, run.started_at, run.ended_at, State.CRITICAL, ""),),
        measures=tuple(Measured(record.row, one.object, run.ended_at, 1.0, State.OK) for record, one in rows),
        incidents=(_incident(run),),
        runs=(run,),
    )
    return b"\n".join((*(monthly.render(month, form, ES) for form in ("markdown", "html")), monthly.facts(month)))


def _postmortem(run: Run) -> bytes:
    case = Case(
        id=run.id,
        environment=run.environment,
        began=run.started_at,
        ended=None,
        rows=tuple(record.row for record in run.records),
        worst=State.CRITICAL,
        runs=(run,),
        made_at=run.ended_at,
    )
    return b"\n".join((*(postmortem.render(case, form, ES) for form in ("markdown", "html")), postmortem.facts(case)))


def _nights(run: Run) -> bytes:
    record = next(one for one in run.records if one.verdict.measures)
    row = nights.RowNights(
        row=record.row,
        title=record.title,
        standings=("critical", "ok"),
        trend=record.trend,
        measure=record.verdict.measures[0],
    )
    made = tuple(
        nights.Night(at=at, worst=State.CRITICAL, said=record.title, href=reports.file_stem(run.id))
        for at in (run.started_at, run.ended_at)
    )
    name = run.environment.name
    environment = nights.EnvironmentNights(name=name, nights=made, rows=(row,))
    index = nights.Index(
        site=run.environment.site, made_at=run.ended_at, overdue=timedelta(hours=26), environments=(environment,)
    )
    return nights.render(index, ES)


def _record(run: Run) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "record"
        files.write(run, file)
        return file.read_bytes()


def _columns(run: Run) -> tuple[Column, ...]:
    site, name = run.environment.site, run.environment.name
    blind = Column(site=site, environment=name, error=run.records[0].verdict.summary)
    return Column(site=site, environment=name, run=run), blind


def sentences() -> Iterator[tuple[str, str]]:
    """Three canaries in each: within what is shown of a short field. What was cut off comes last, it has no end."""
    kinds = sorted(canaries.CANARIES, key=lambda kind: "cut" in kind)
    for start in range(0, len(kinds), 3):
        some = kinds[start : start + 3]
        yield ", ".join(some), "; ".join((canaries.WITNESS, *(canaries.CANARIES[kind][0] for kind in some)))


OUTPUTS = outputs()
SENTENCES = dict(sentences())


@pytest.fixture(scope="module", params=SENTENCES)
def planted(request: Any) -> Run:
    """A run with some canaries in every field."""
    return canaries.planted(SENTENCES[request.param])


@pytest.mark.parametrize("name", OUTPUTS)
def test_nothing_comes_out(planted: Run, name: str) -> None:
    seen = canaries.seen(OUTPUTS[name](planted))
    assert canaries.WITNESS in seen  # what stood beside them is shown
    assert [core for _words, core in canaries.CANARIES.values() if core in seen] == []


@pytest.mark.parametrize("kind", canaries.CANARIES)
def test_each_would_be_seen(kind: str) -> None:
    """The search is not blind: in a report that masks nothing each canary is found."""
    words, core = canaries.CANARIES[kind]
    assert core in canaries.seen(msgspec.json.encode(canaries.planted(words), enc_hook=str))


@pytest.mark.soak
@pytest.mark.parametrize("name", SLOW)
def test_nothing_comes_out_of_documents(name: str) -> None:
    every = "; ".join((canaries.WITNESS, *SENTENCES.values()))
    seen = canaries.seen(reports.render(canaries.planted(every), name, ES))
    assert canaries.WITNESS in seen
    assert [core for _words, core in canaries.CANARIES.values() if core in seen] == []


def test_what_is_shown_in_part_is_masked_as_a_whole() -> None:
    """A datum that is cut by the end of what is shown is no datum to a mask: it is masked before."""
    from reports.clean import LONGEST, harmless

    for words, core in canaries.CANARIES.values():
        for place in range(LONGEST - len(words), LONGEST, 5):
            seen = canaries.seen(harmless("x " * (place // 2) + words + " y" * 200).encode())
            assert core[:6] not in seen


def test_an_incident_stays_readable() -> None:
    """Masking takes away what is personal and nothing that an engineer needs."""
    plain = reports.render(factory.incident(), "json", ES)
    assert b"\xe2\x80\xb9" not in plain
