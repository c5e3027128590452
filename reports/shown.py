"""What the formats set: the parts of a row as they are shown, all words, numbers and geometry."""

from __future__ import annotations

import msgspec

from reports.figures import Bar, Spark
from reports.story import Change, Story


class Mark(msgspec.Struct, frozen=True):
    """A state as it is shown: ``name`` chooses shape and colour, ``word`` says it, ``shape`` is one character."""

    name: str
    shape: str
    word: str


class MeasureView(msgspec.Struct, frozen=True):
    """One object's value beside its limits."""

    object: str
    value: str
    limits: str
    mark: Mark
    bar: Bar | None


class TrendView(msgspec.Struct, frozen=True):
    """The line of a row's trend, what it says in words, and its ends and limits written out."""

    line: Spark
    words: str
    first_at: str
    last_at: str
    limits: tuple[str, ...]


class EvidenceView(msgspec.Struct, frozen=True):
    """One fact with a few of its lines; ``more`` counts the lines that are not shown."""

    statement: str
    source: str
    sample: tuple[str, ...]
    more: str


class FindingView(msgspec.Struct, frozen=True):
    """A probable cause; ``proof`` is ``confirmed``, ``unknown`` or ``ruled-out``."""

    proof: str
    word: str
    cause: str
    summary: str
    evidence: tuple[EvidenceView, ...]
    more_evidence: str
    advice: tuple[str, ...]


class StepView(msgspec.Struct, frozen=True):
    """A step of the plan; ``call`` is the operation as the target knows it, ``undo`` what takes it back."""

    what: str
    call: str
    risk: str
    effect: str
    undo: str


class ActionView(msgspec.Struct, frozen=True):
    """A step that was tried, with what the target said before and after."""

    what: str
    outcome: str
    word: str
    at: str
    took: str
    result: str
    changes: tuple[Change, ...]


class Panel(msgspec.Struct, frozen=True):
    """Everything a report shows of one row. ``brief`` rows have no bars, no trend and no evidence."""

    row: str
    anchor: str
    title: str
    why: str
    source: str
    section: str
    mark: Mark
    found: Mark
    summary: str
    story: Story
    measures: tuple[MeasureView, ...]
    more_measures: str
    trend: TrendView | None
    findings: tuple[FindingView, ...]
    ruled_out: tuple[FindingView, ...]
    more_findings: str
    plan: tuple[StepView, ...]
    more_plan: str
    plan_reason: str
    decision: str
    decision_reason: str
    decision_rule: str
    actions: tuple[ActionView, ...]
    more_actions: str
    proof_after: str
    proof_summary: str
    took: str
    brief: bool
    waivers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def worst(self) -> MeasureView | None:
        """The measure that decided the row."""
        return self.measures[0] if self.measures else None
