"""The words for the model's states and choices, and the mark each state is shown with.

A state is told by word and by shape, never by colour alone. Besides the model's five there are two of the reports':
*fixed*, a row that was broken and whose check passed again after the remedy, and *waived*, one that is broken and that
somebody answers for until a day.
"""

from __future__ import annotations

from enum import StrEnum

from runbook.model import Choice, Effect, Outcome, Proof, Proven, Record, Risk, Severity, State, is_waived
from runbook.text import Text, text


class Standing(StrEnum):
    """How a row stands at the end of the run, worst first. The value names its shape and its colour."""

    CRITICAL = "critical"
    WARNING = "warning"
    UNKNOWN = "unknown"
    WAIVED = "waived"
    FIXED = "fixed"
    OK = "ok"
    SKIPPED = "skipped"


#: One character of the same shape as the drawn mark: for terminals and tickets.
SHAPES = {
    Standing.CRITICAL: "◆",
    Standing.WARNING: "▲",
    Standing.UNKNOWN: "?",
    Standing.WAIVED: "◇",
    Standing.FIXED: "✔",
    Standing.OK: "✓",
    Standing.SKIPPED: "–",
}
STANDINGS = {
    Standing.CRITICAL: text("Critical"),
    Standing.WARNING: text("Warning"),
    Standing.UNKNOWN: text("Unknown"),
    Standing.WAIVED: text("Waived"),
    Standing.FIXED: text("Fixed"),
    Standing.OK: text("In order"),
    Standing.SKIPPED: text("Skipped"),
}
PROOFS = {
    Proof.CONFIRMED: text("Confirmed"),
    Proof.UNKNOWN: text("Not known"),
    Proof.RULED_OUT: text("Ruled out"),
}
RISKS = {Risk.LOW: text("low risk"), Risk.MEDIUM: text("medium risk"), Risk.HIGH: text("high risk")}
EFFECTS = {
    Effect.READ: text("reads only"),
    Effect.CHANGE: text("changes its target"),
    Effect.DESTROY: text("destroys something"),
    Effect.UNKNOWN: text("effect not declared"),
}
CHOICES = {
    Choice.ACT: text("Act"),
    Choice.ASK: text("Needs approval"),
    Choice.LEAVE: text("Leave alone"),
}
OUTCOMES = {
    Outcome.DONE: text("done"),
    Outcome.FAILED: text("failed"),
    Outcome.REFUSED: text("refused"),
    Outcome.NOT_RUN: text("not run"),
}
PROVENS = {
    Proven.FIXED: text("Yes: the check passes again"),
    Proven.NOT_FIXED: text("No: the check still fails"),
    Proven.NOT_PROVEN: text("Not proven"),
}
#: Sections are the modules of ``checks/``; one that is not here is shown by its name.
SECTIONS = {
    "queue": text("Message queue"),
    "broker": text("Message broker"),
    "etl": text("Consolidation (ETL)"),
    "database": text("Database"),
    "staging": text("Exchange tables"),
    "backups": text("Backups"),
    "hosts": text("Hosts"),
    "host_health": text("Health of the hosts"),
    "services": text("Services"),
    "security": text("Security"),
    "sql": text("Validation scripts"),
    "archive": text("Archive"),
    "indexes": text("Indexes"),
    "broker_use": text("Use of the message broker"),
    "deliveries": text("Deliveries of the queues"),
    "sessions": text("Sessions of the database"),
    "upkeep": text("Upkeep of the database"),
    "replication": text("Replication and WAL"),
    "rates": text("Rates of the database"),
    "configuration": text("Configuration of the database"),
    "records": text("Records"),
    "flow": text("Flow of the records"),
    "admission": text("Who may enter the database"),
    "runs": text("Runs that act"),
}

_OF_STATE = {state: Standing[state.name] for state in State}
_ORDER = {standing: place for place, standing in enumerate(Standing)}


def section(name: str) -> Text:
    """The wording of a section."""
    return SECTIONS.get(name) or Text("{name}", {"name": name})


def standing(record: Record) -> Standing:
    """How the row stands now: as found, unless a second judgement proved otherwise.

    A fix that is not proven leaves the row as it was found: "not proven" must not look better than "broken".
    """
    found = _as_judged(record)
    return Standing.WAIVED if is_open(found) and is_waived(record) else found


def _as_judged(record: Record) -> Standing:
    proof = record.verification
    if proof is None or proof.proven is Proven.NOT_PROVEN:
        return _OF_STATE[record.verdict.state]
    if proof.proven is Proven.FIXED:
        return Standing.FIXED
    after = _OF_STATE[proof.verdict.state]
    return after if is_open(after) else _OF_STATE[record.verdict.state]


def of_state(state: State) -> Standing:
    """The mark of one judgement by itself."""
    return _OF_STATE[state]


def is_open(standing: Standing) -> bool:
    """Whether somebody still has to do something about it."""
    return standing in (Standing.CRITICAL, Standing.WARNING, Standing.UNKNOWN)


def rank(record: Record) -> tuple[int, int, str]:
    """Sorts records worst first: as they stand, then as they were found, then by id."""
    return _ORDER[standing(record)], Severity[record.verdict.state.name].value, record.row
