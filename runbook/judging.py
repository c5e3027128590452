"""What can be found out without changing anything: a row's verdict, the findings on its causes, the plan.

Everything here runs under the reader's identity. This is the one place that catches every exception: a row whose
code raises is broken, and a broken row is UNKNOWN, never green and never lost.
"""

from __future__ import annotations

import hashlib
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from runbook import clock
from runbook.errors import NotConfigured, RunbookError
from runbook.limits import Limits, configured
from runbook.model import Finding, Plan, Proof, Risk, State, Step, Verdict
from runbook.probes import Readings, reading_through
from runbook.redact import masked, masked_words
from runbook.rows import Cause, NoPlan, Row
from runbook.text import Text, text, verbatim

Targets = Mapping[str, Any]
Overrides = Mapping[str, str | int | float]


def judge(row: Row, targets: Targets, readings: Readings, overrides: Overrides) -> Verdict:
    """Run the check on ``readings`` and say what it found; never raises what the row's code raises."""
    with reading_through(readings) as uses:
        verdict = _judged(row, targets, overrides, uses)
    return msgspec.structs.replace(verdict, readings=tuple(uses))


def _judged(row: Row, targets: Targets, overrides: Overrides, uses: list[str]) -> Verdict:
    try:
        limits = _limits(row, overrides)
        row.check(**_arguments(row.targets, targets), **_limits_if_asked(row.check, limits))
    except NotConfigured as absent:
        return _plain_verdict(State.SKIPPED, absent.said)
    except RunbookError as error:
        return _plain_verdict(State.UNKNOWN, masked_words(error.said))
    except AssertionError as failed:
        return _plain_verdict(State.CRITICAL, verbatim(masked(str(failed) or "assertion failed")))
    except Exception as error:  # noqa: BLE001 - the row's own code
        return _plain_verdict(State.UNKNOWN, broken(error))
    if _takes_limits(row.check):
        return limits.verdict()
    return _passed(uses)


def diagnose(row: Row, targets: Targets, readings: Readings, overrides: Overrides) -> tuple[Finding, ...]:
    """Ask every probable cause at once, each on a thread of its own, in the order of declaration."""
    answers: dict[str, Finding] = {}

    def ask(cause: Cause) -> None:
        with reading_through(readings):
            answers[cause.name] = _finding(row, cause, targets, overrides)

    threads = [threading.Thread(target=ask, args=(cause,), daemon=True) for cause in row.causes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(readings.left())
    late = text("The evidence did not come within the run's deadline")
    return tuple(
        answers.get(cause.name) or _named(cause, Finding(proof=Proof.UNKNOWN, summary=late)) for cause in row.causes
    )


def plan(
    row: Row, findings: tuple[Finding, ...], targets: Targets, readings: Readings, settles: timedelta
) -> Plan | None:
    """What the row's remedy would do about the findings; None where the row has no remedy."""
    treatment = row.treatment
    if treatment is None:
        return None
    by_cause = {finding.name: finding for finding in findings}
    steps: tuple[Step, ...] = ()
    reason: Text | None = None
    try:
        with reading_through(readings):
            arguments = _arguments(treatment.targets, targets)
            steps = tuple(treatment.remedy(findings=by_cause, **arguments))
    except NoPlan as none:
        reason = none.reason
    except RunbookError as error:
        reason = masked_words(error.said)
    except Exception as error:  # noqa: BLE001 - the row's own code
        reason = broken(error)
    return Plan(
        remedy=treatment.name,
        steps=steps,
        reason=reason,
        settles=settles,
        risk=_highest([treatment.risk, *(step.risk for step in steps)]),
        digest=digest(steps),
    )


def digest(steps: tuple[Step, ...]) -> str:
    """The hash that approval names: any other step, argument or fingerprint gives another one."""
    return hashlib.sha256(msgspec.json.encode(steps, order="sorted")).hexdigest()


def broken(error: Exception) -> Text:
    """The row's own code raised: say what and where."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return text(
        "The row is broken: {error} ({file}, line {line})",
        error=masked(f"{type(error).__name__}: {error}"),
        file=frame.filename.rpartition("/")[2],
        line=frame.lineno or 0,
    )


def _finding(row: Row, cause: Cause, targets: Targets, overrides: Overrides) -> Finding:
    try:
        asked = _limits_if_asked(cause.diagnosis, _limits(row, overrides))
        found = cause.diagnosis(**_arguments(cause.targets, targets), **asked)
    except RunbookError as error:
        found = Finding(proof=Proof.UNKNOWN, summary=masked_words(error.said))
    except Exception as error:  # noqa: BLE001 - the row's own code
        found = Finding(proof=Proof.UNKNOWN, summary=broken(error))
    return _named(cause, found)


def _named(cause: Cause, finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, name=cause.name, cause=cause.words)


def _arguments(names: tuple[str, ...], targets: Targets) -> dict[str, Any]:
    return {name: targets[name] for name in names}


def _limits(row: Row, overrides: Overrides) -> Limits:
    """Fresh limits: the row's own numbers with the site's on top."""
    return Limits(*configured(row.threshold, row.settings, overrides))


def _takes_limits(function: Callable[..., Any]) -> bool:
    return "limits" in function.__code__.co_varnames[: function.__code__.co_argcount]


def _limits_if_asked(function: Callable[..., Any], limits: Limits) -> dict[str, Limits]:
    return {"limits": limits} if _takes_limits(function) else {}


def _passed(uses: list[str]) -> Verdict:
    """A check in pytest's own style (asserts, no limits) passed; without a reading it has seen nothing."""
    if not uses:
        return _plain_verdict(State.UNKNOWN, text("The check judged nothing: there was no sample to judge"))
    return _plain_verdict(State.OK, text("All assertions hold"))


def _plain_verdict(state: State, summary: Text) -> Verdict:
    return Verdict(state=state, summary=summary, judged_at=clock.now())


def _highest(risks: list[Risk]) -> Risk:
    return max(risks, key=list(Risk).index)
