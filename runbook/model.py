"""The nouns of the runbook: frozen, without behaviour. Each arrow of ``engine.py`` turns one into the next.

Reading → Verdict → Finding → Plan → Decision → Action → Verification, gathered in a Record, Records in a Run.
Times are aware and in UTC, spans ``timedelta``, sizes ``int`` bytes.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any

import msgspec

from runbook.text import Text, Value

#: Version of the JSON form of a Run. It grows by addition; a change of meaning raises it.
SCHEMA_VERSION = 1


class State(StrEnum):
    """What a row found. UNKNOWN is never OK, never failed and never fixed."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"
    UNKNOWN = "UNKNOWN"
    SKIPPED = "SKIPPED"


#: The states in which a row breaches its limits.
BREACHED = (State.WARNING, State.CRITICAL)


class Proof(StrEnum):
    """How far the evidence goes for one probable cause."""

    CONFIRMED = "confirmed"
    RULED_OUT = "ruled out"
    UNKNOWN = "unknown"


class Risk(StrEnum):
    """How much a step can hurt when it is wrong."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Effect(StrEnum):
    """What a step does to its target. What is not declared is UNKNOWN, and UNKNOWN never acts by policy."""

    READ = "read"
    CHANGE = "change"
    DESTROY = "destroy"
    UNKNOWN = "unknown"


class Choice(StrEnum):
    """What policy says of a plan."""

    ACT = "act"
    ASK = "ask"
    LEAVE = "leave"


class Outcome(StrEnum):
    """How one step ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_RUN = "not run"


class Proven(StrEnum):
    """What the second judgement says of the fix."""

    FIXED = "fixed"
    NOT_FIXED = "not fixed"
    NOT_PROVEN = "not proven"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a target: ``request`` is the probe with its arguments, ``value`` its JSON form, masked."""

    target: str
    request: str
    value: Any = None
    taken_at: datetime
    took: timedelta
    error: str | None = None
    failure: str | None = None


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One object's value against the row's thresholds: what a report draws as a bar.

    ``direction`` is ``"above"`` when larger is worse, ``"below"`` when smaller is worse.
    """

    object: str
    value: Value
    state: State
    warning: Value = None
    critical: Value = None
    direction: str = "above"
    summary: Text | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a row says: its worst object first in ``measures``, the whole in one ``summary``."""

    state: State
    summary: Text
    measures: tuple[Measure, ...] = ()
    readings: tuple[str, ...] = ()
    judged_at: datetime


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One fact behind a finding. ``sample`` holds a few masked lines or rows, ``count`` how many there were."""

    statement: Text
    source: str = ""
    sample: tuple[str, ...] = ()
    count: int | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A probable cause and what the evidence says of it.

    A diagnosis returns it without ``cause``: the engine fills that in from the declaration. ``data`` carries
    to the remedy what was found (plain JSON values), so that nothing is asked twice.
    """

    proof: Proof
    summary: Text
    evidence: tuple[Evidence, ...] = ()
    advice: tuple[Text, ...] = ()
    data: dict[str, Any] = {}
    cause: Text | None = None
    name: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one target: described here, done only by ``target.perform``.

    ``operation`` names an ``@operation`` of the target, ``arguments`` its keyword arguments; ``fingerprint`` is
    what the target looked like when the plan was made and is compared again just before the step runs.
    ``undo`` is the step that takes it back, or None. ``touches`` counts the objects it changes, out of ``population``.
    """

    what: Text
    target: str
    operation: str
    arguments: dict[str, Any] = {}
    fingerprint: dict[str, Any] = {}
    risk: Risk = Risk.MEDIUM
    effect: Effect = Effect.UNKNOWN
    undo: Step | None = None
    touches: int = 1
    population: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the remedy would do. Empty ``steps`` with a ``reason`` is an honest "nothing to do here"."""

    remedy: str
    steps: tuple[Step, ...] = ()
    reason: Text | None = None
    settles: timedelta = timedelta(0)
    risk: Risk = Risk.MEDIUM
    digest: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """May the plan run here, now, at this size? ``rule`` names the guard or setting that decided."""

    choice: Choice
    reason: Text
    rule: str = ""
    by: str = "policy"


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was tried. ``before`` and ``after`` are what the target said around it."""

    step: Step
    outcome: Outcome
    started_at: datetime
    took: timedelta = timedelta(0)
    result: Text | None = None
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The same check on new readings, after the settling time. A returned "done" proves nothing."""

    proven: Proven
    verdict: Verdict
    took: timedelta
    reason: Text | None = None


class Waived(msgspec.Struct, frozen=True, kw_only=True):
    """A breach that somebody answers for, both days included. ``seen`` is what was breached then, by object.

    ``holds`` says that the row does not alert; ``against`` says why the waiver does not hold, or is not needed.
    """

    owner: str
    approver: str
    reason: str
    start: date
    expires: date
    state: State
    seen: dict[str, str] = {}
    holds: bool = False
    against: Text | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one row said and did in a run. Nothing selected may lack one."""

    row: str
    title: Text
    why: Text | None = None
    source: str = ""
    section: str = ""
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    plan: Plan | None = None
    decision: Decision | None = None
    actions: tuple[Action, ...] = ()
    verification: Verification | None = None
    person: Text | None = None
    breached_since: datetime | None = None
    trend: tuple[tuple[datetime, float], ...] = ()
    trend_unit: str = ""
    took: timedelta = timedelta(0)
    waivers: tuple[Waived, ...] = ()


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where and with what a run was made; shown at the report's foot."""

    site: str
    name: str
    timezone: str
    language: str
    host: str = ""
    versions: dict[str, str] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the run's timeline."""

    at: datetime
    kind: str
    what: Text
    row: str = ""


class PlanNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A plan file beside a run: one that waits for approval, or the one that was ``applied``.

    ``commands`` are what to type next, in order; ``note`` says what stands in the way where there are none. ``refused``
    are the rows of an applied plan that did not run, and why.
    """

    file: str
    hash: str
    rows: tuple[str, ...]
    steps: int
    risk: Risk
    expires_at: datetime
    needed: int = 1
    approvals: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    note: Text | None = None
    applied: bool = False
    refused: dict[str, Text] = {}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look of a watch, judged at ``ended_at``. Its readings are the run's that were taken from ``at`` on until the
    next look; a reading that is not there again said the same as before, unless ``gone`` names it.
    """

    at: datetime
    ended_at: datetime
    gone: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One invocation over the selected rows, worst first in every report."""

    id: str
    environment: Environment
    started_at: datetime
    ended_at: datetime
    records: tuple[Record, ...]
    readings: tuple[Reading, ...] = ()
    events: tuple[Event, ...] = ()
    fixing: bool = False
    interrupted: bool = False
    plan_file: PlanNotice | None = None
    samples: tuple[Sample, ...] = ()
    schema: int = SCHEMA_VERSION


class Severity(Enum):
    """The order of states, worst first: CRITICAL, WARNING, UNKNOWN, OK, SKIPPED."""

    CRITICAL = 0
    WARNING = 1
    UNKNOWN = 2
    OK = 3
    SKIPPED = 4


def worst(states: list[State] | tuple[State, ...]) -> State:
    """The worst of some states; SKIPPED when there are none."""
    return min(states, key=lambda state: Severity[state.name].value, default=State.SKIPPED)


def worst_of(run: Run) -> State:
    """The state of a run: the worst that is true of its rows at its end, without those that somebody answers for."""
    return worst([final(record).state for record in run.records if not is_waived(record)])


def is_waived(record: Record) -> bool:
    """Whether the row's breach is known and accepted today: it is told like any other, and alerts nobody."""
    return any(waiver.holds for waiver in record.waivers)


def final(record: Record) -> Verdict:
    """What is true of a row at the end of the run: the verdict after its fix was tested, if one was."""
    return record.verification.verdict if record.verification else record.verdict
