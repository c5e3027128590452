"""What the first screen says of one broken row: since when, how bad, why, what was done, did it help, what next.

The answers are sentences; each format only sets them. Everything a row could not tell is said as such, because an
empty cell in front of a director reads as "nothing wrong".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from reports.clean import shortened
from reports.figures import amount
from reports.language import Language
from reports.words import OUTCOMES, PROVENS, Standing, is_open, standing
from runbook.model import Choice, Measure, Outcome, Plan, Proof, Proven, Record, State, Verdict
from runbook.text import Quantity, Value

#: Characters of one sentence that a summary has room for.
SENTENCE = 320
#: Sentences of one answer: the panel below the summary has the rest.
SENTENCES = 3


class Change(msgspec.Struct, frozen=True):
    """One thing as it was and as it is."""

    name: str
    before: str
    after: str


class Story(msgspec.Struct, frozen=True):
    """The answers about one row. ``proven`` is None where nothing was done that could have helped."""

    since: str
    for_how_long: str
    how_bad: str
    why: tuple[str, ...]
    done: tuple[str, ...]
    helped: str
    proven: Proven | None
    change: Change | None
    next: tuple[str, ...]


def tell(record: Record, until: datetime, language: Language) -> Story:
    """The story of one row, told at a moment: ``until`` is what "for 3 h" counts to."""
    teller = _Teller(record, until, language)
    return Story(
        since=teller.since(),
        for_how_long=teller.for_how_long(),
        how_bad=teller.how_bad(),
        why=_few(teller.why()),
        done=_few(teller.done()),
        helped=teller.helped(),
        proven=record.verification.proven if record.verification else None,
        change=teller.change(),
        next=_few(teller.next()),
    )


def headline(records: Iterable[Record], language: Language) -> Iterator[str]:
    """The run in one sentence or a few: what is open, what could not be read, what was fixed."""
    records = tuple(records)
    counts = Counter(map(standing, records))
    done = sum(standing(record) is Standing.FIXED and record.verdict.state is State.OK for record in records)
    plural, total = language.plural, sum(counts.values())
    if counts[Standing.CRITICAL]:
        count = counts[Standing.CRITICAL]
        yield plural("{count} critical failure open", "{count} critical failures open", count)
    if counts[Standing.WARNING]:
        yield plural("{count} warning open", "{count} warnings open", counts[Standing.WARNING])
    if counts[Standing.UNKNOWN]:
        yield plural("{count} check not made", "{count} checks not made", counts[Standing.UNKNOWN])
    if counts[Standing.WAIVED]:
        yield plural("{count} breach waived", "{count} breaches waived", counts[Standing.WAIVED])
    if fixed := counts[Standing.FIXED] - done:
        yield plural("{count} failure fixed and proven", "{count} failures fixed and proven", fixed)
    if done:
        yield plural("{count} procedure done and proven", "{count} procedures done and proven", done)
    if not any(is_open(s) or s in (Standing.FIXED, Standing.WAIVED) for s in counts):
        yield _all_well(counts, total, language)


def _all_well(counts: Counter[Standing], total: int, language: Language) -> str:
    if not counts[Standing.OK]:
        return language.word("Nothing was checked")
    if counts[Standing.SKIPPED]:
        return language.word(
            "{ok} of {total} checks are in order; the others were skipped", ok=counts[Standing.OK], total=total
        )
    return language.plural("{count} check is in order", "All {count} checks are in order", total)


def worst_measure(verdict: Verdict) -> Measure | None:
    """The measure that decided: the engine puts the worst first."""
    return verdict.measures[0] if verdict.measures else None


def _few(sentences: Iterator[str]) -> tuple[str, ...]:
    kept = dict.fromkeys(shortened(sentence, SENTENCE) for sentence in sentences if sentence)
    return tuple(kept)[:SENTENCES]


class _Teller:
    def __init__(self, record: Record, until: datetime, language: Language) -> None:
        self.record, self.until, self.language = record, until, language

    def _began(self) -> datetime | None:
        """When the breach was first seen, if that was before this judgement: "for 4 ms" would say nothing."""
        began = self.record.breached_since
        return None if began == self.record.verdict.judged_at else began

    def since(self) -> str:
        began = self._began()
        return self.language.moment(began) if began else self.language.word("first seen in this run")

    def for_how_long(self) -> str:
        began = self._began()
        if began is None:
            return ""
        return self.language.duration(max(self.until - began, timedelta()))

    def how_bad(self) -> str:
        """How many times the limit the worst value is; empty where that says nothing."""
        measure = worst_measure(self.record.verdict)
        if measure is None or measure.direction != "above":
            return ""
        value, limit = amount(measure.value), amount(reached(measure))
        is_share = isinstance(measure.value, Quantity) and measure.value.unit == "%"
        if is_share or value is None or not limit or value < 1.5 * limit:
            return ""
        return self.language.word("{times}× the limit", times=round(value / limit, 1))

    def why(self) -> Iterator[str]:
        confirmed = [f for f in self.record.findings if f.proof is Proof.CONFIRMED]
        yield from (self.language.say(finding.cause or finding.summary) for finding in confirmed)
        if not confirmed:
            yield self._no_cause()

    def _no_cause(self) -> str:
        if standing(self.record) is Standing.UNKNOWN:
            return self.language.word("It could not be read")
        if self.record.decision is not None and self.record.decision.rule == "--execute":
            return self.language.say(self.record.decision.reason)
        if not self.record.findings:
            return self.language.word("This row has no list of probable causes")
        known = [f.proof for f in self.record.findings]
        return self.language.word(
            "No probable cause is confirmed: {out} ruled out, {open} not known",
            out=known.count(Proof.RULED_OUT),
            open=known.count(Proof.UNKNOWN),
        )

    def done(self) -> Iterator[str]:
        for action in self.record.actions:
            outcome = self.language.say(OUTCOMES[action.outcome])
            yield f"{self.language.say(action.step.what)} — {outcome}"
        if not self.record.actions:
            yield self._why_nothing()

    def _why_nothing(self) -> str:
        plan, decision = self.record.plan, self.record.decision
        if plan is None:
            return self.language.word("Nothing: there is no automatic remedy")
        if not plan.steps:
            return self.language.word("Nothing: no automatic step applies here")
        if decision is not None and decision.choice is not Choice.ACT:
            return self.language.word("Nothing: {reason}", reason=self.language.say(decision.reason))
        return self.language.word("Nothing yet: no step of the plan was started")

    def helped(self) -> str:
        proof = self.record.verification
        if proof is None:
            return self.language.word("Not proven") if self._was_changed() else self.language.word("Does not apply")
        words = self.language.say(PROVENS[proof.proven])
        if proof.reason is None:
            return words
        return shortened(f"{words}. {self.language.say(proof.reason)}", SENTENCE)

    def _was_changed(self) -> bool:
        return any(action.outcome is Outcome.DONE for action in self.record.actions)

    def change(self) -> Change | None:
        """The worst object's value before the remedy and after it."""
        before, proof = worst_measure(self.record.verdict), self.record.verification
        if before is None or proof is None:
            return None
        after = next((m for m in proof.verdict.measures if m.object == before.object), None)
        if after is None:
            return None
        say = self.language.value
        return Change(shortened(say(before.object), 80), say(before.value), say(after.value))

    def next(self) -> Iterator[str]:
        if standing(self.record) is Standing.FIXED:
            yield from self._advice()
            return
        for waiver in self.record.waivers if standing(self.record) is Standing.WAIVED else ():
            day = self.language.day(waiver.expires)
            yield self.language.word("{owner} mends it by {day}", owner=waiver.owner, day=day)
        yield from self._failed_steps()
        yield from self._open_plan(self.record.plan)
        yield from self._advice()
        if standing(self.record) is Standing.UNKNOWN:
            yield self.language.word("Make it readable again, then check again: unknown is not in order")
        elif self.record.plan and not self.record.plan.steps and self.record.plan.reason:
            yield self.language.say(self.record.plan.reason)
        elif not self._has_a_lead() and self.record.person is not None:
            yield self.language.say(self.record.person)
        elif not self._has_a_lead():
            yield self.language.word("A person has to look: the evidence does not name the cause")

    def _advice(self) -> Iterator[str]:
        for finding in self.record.findings:
            if finding.proof is Proof.CONFIRMED:
                yield from map(self.language.say, finding.advice)

    def _failed_steps(self) -> Iterator[str]:
        for action in self.record.actions:
            if action.outcome in (Outcome.FAILED, Outcome.REFUSED):
                words = self.language.say(action.result) or self.language.say(OUTCOMES[action.outcome])
                yield f"{self.language.say(action.step.what)}: {words}"

    def _open_plan(self, plan: Plan | None) -> Iterator[str]:
        if plan is None or not plan.steps or self.record.actions:
            return
        first = self.language.say(plan.steps[0].what)
        if len(plan.steps) == 1:
            yield self.language.word("Decide on the plan: {first}", first=first)
        else:
            steps = Quantity(len(plan.steps) - 1, "step")
            yield self.language.word("Decide on the plan: {first}, and {steps} more", first=first, steps=steps)

    def _has_a_lead(self) -> bool:
        has_plan = self.record.plan is not None and bool(self.record.plan.steps)
        return has_plan or any(f.proof is Proof.CONFIRMED for f in self.record.findings)


def reached(measure: Measure) -> Value:
    """The limit that the value is beyond: the critical one where it is; None where it has none."""
    return measure.critical if measure.state is State.CRITICAL else measure.warning
