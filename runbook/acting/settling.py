"""Close what killed runs left open: look at the target of each step that was begun, and write down what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from runbook.acting.journal import Journal
from runbook.acting.killed import CLOSED, Begun, Killed, killed
from runbook.errors import RunbookError
from runbook.model import Step
from runbook.site import Site
from runbook.traces import Seen, Trace, unknown


def settle(journal: Journal, site: Site, run: str) -> tuple[Killed, ...]:
    """Close every step that the target tells of, under the lock of the acting run ``run``; what stays is unknown.

    Procedures go on by themselves when they are begun again, and are left to that.
    """
    left = []
    for one in killed(journal.entries, site.environment.name):
        if one.procedure:
            continue
        unclear = tuple(begun for begun, trace in traced(one, site) if not _closed(journal, one, begun, trace, run))
        if unclear:
            left.append(Killed(run=one.run, at=one.at, done=one.done, begun=unclear, proven=one.proven))
        else:
            journal.write("end", run=one.run, row="", body={"killed": True, "settled_by": run})
    return tuple(left)


def traced(one: Killed, site: Site) -> Iterator[tuple[Begun, Trace]]:
    """Each step that was begun, and what its target shows of it. Reads only, as the reader."""
    for begun in one.begun:
        yield begun, unknown() if begun.step is None else _trace(begun.step, begun.at, site)


def _trace(step: Step, since: datetime, site: Site) -> Trace:
    """What the step's target shows of it; a target that is not one of ours, such as a site pack's, tells nothing."""
    from runbook.targets.opening import open_target

    try:
        target = open_target(step.target, site)
    except KeyError:
        return unknown()
    try:
        trace: Trace = target.trace_of(step, since)
        return trace
    except RunbookError as error:
        return unknown(error.said)
    finally:
        target.close()


def _closed(journal: Journal, one: Killed, begun: Begun, trace: Trace, run: str) -> bool:
    if trace.seen is Seen.UNKNOWN:
        return False
    seen = {"seen": trace.seen.value, "said": str(trace.said), "settled_by": run}
    body = {"intent": begun.number, "outcome": CLOSED[trace.seen.value], **seen}
    journal.write("result", run=one.run, row=begun.row, body=body)
    return True
