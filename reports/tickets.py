"""What goes into a ticket: the comment of a run, the ticket that is opened for an incident, and the word at its end.

Each in the syntax of its tracker. The comment itself is ``reports.markdown``'s; what stands over it is the incident.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from reports.clean import label, shortened
from reports.document.blocks import Block, Code, Notice, Paragraph, Strong, line
from reports.language import Language
from reports.markdown import comment
from reports.words import STANDINGS, of_state
from runbook.model import Run

if TYPE_CHECKING:
    from runbook.incidents import Incident

#: Characters of a ticket's title; Jira takes 255, ServiceNow 160.
TITLE = 150
#: Rows that are named one by one.
_NAMED = 12


def body(run: Run, incident: Incident | None, flavour: str, language: Language) -> str:
    """A run as a comment: which incident it belongs to, then the first screen of its report."""
    above = tuple(_of_incident(incident, language)) if incident else ()
    return _joined(above, comment(run, flavour, language).decode(), flavour)


def opening(incident: Incident, flavour: str, language: Language) -> str:
    """A new ticket's description: what it was opened for. The reports come as its first comment."""
    by = language.word("Opened by muses-runbook; it keeps this ticket up to date while the incident lasts.")
    return _written((*_of_incident(incident, language), Paragraph(line(by))), flavour)


def ending(incident: Incident, flavour: str, language: Language, *, fixed: bool) -> str:
    """The last word on an incident: mended and proven, or only not broken any more because somebody accepted it."""
    return _written(tuple(_end(incident, language, fixed)), flavour)


def title(run: Run, incident: Incident, language: Language) -> str:
    """One line: where, how bad, which rows."""
    place = f"{label(run.environment.site, 40)} · {label(incident.environment, 40)}"
    state = language.say(STANDINGS[of_state(incident.worst)])
    return shortened(f"{place}: {state} – {named(incident.rows, language, 5)}", TITLE)


def named(rows: Sequence[str], language: Language, most: int = _NAMED) -> str:
    """The rows' ids, the first of them one by one."""
    shown = ", ".join(label(row, 60) for row in rows[:most])
    left = len(rows) - most
    return f"{shown} {language.word('and {count} more', count=left)}" if left > 0 else shown


def _of_incident(incident: Incident, language: Language) -> Iterator[Block]:
    word, began = language.word, language.moment(incident.began)
    if incident.ended is None:
        since = word("lasts since {moment}", moment=began)
    else:
        since = word("from {begin} to {end}", begin=began, end=language.moment(incident.ended))
    rows = named(incident.rows, language)
    yield Paragraph(line(f"{word('Incident')} ", Code(label(incident.id, 120)), f" · {since} · {rows}"))


def _end(incident: Incident, language: Language, fixed: bool) -> Iterator[Block]:
    word = language.word
    if fixed:
        said = word("Fixed and proven: every row of the incident was judged again and is in order.")
    else:
        said = word("Over, but not mended: what is still broken was accepted by a waiver.")
    yield Notice(line(Strong(said)))
    yield from _of_incident(incident, language)
    if incident.ended is not None:
        lasted = language.duration(incident.ended - incident.began)
        yield Paragraph(
            line(
                word(
                    "It lasted {span} and was seen by {count} runs; the last one is {run}.",
                    span=lasted,
                    count=len(incident.runs),
                    run=incident.runs[-1] if incident.runs else "–",
                )
            )
        )


def _joined(above: Sequence[Block], words: str, flavour: str) -> str:
    if not above:
        return words
    if flavour != "adf":
        return f"{_written(above, flavour)}\n{words}"
    whole, first = json.loads(words), json.loads(_written(above, flavour))
    return json.dumps({**whole, "content": [*first["content"], *whole["content"]]}, ensure_ascii=False)


def _written(blocks: Sequence[Block], flavour: str) -> str:
    words: str = import_module(f"reports.markdown.{flavour}").written(blocks)
    return words
