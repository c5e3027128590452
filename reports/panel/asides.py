"""What stands beside a row's verdict: who accepted the breach until when, and what was found as CSV."""

from __future__ import annotations

from reports.clean import shortened
from reports.findings import FoundFile
from reports.panel.pen import Pen
from reports.words import STANDINGS, of_state
from runbook.model import Waived
from runbook.text import Quantity


def waiver(pen: Pen, given: Waived) -> str:
    """Who accepted what, until when and why; and what speaks against it."""
    values: dict[str, object] = {
        "start": pen.language.day(given.start),
        "expires": pen.language.day(given.expires),
        "owner": pen.name(given.owner),
        "approver": pen.name(given.approver),
        "reason": shortened(given.reason, pen.detail.paragraph),
        "seen": _seen(pen, given),
    }
    word = pen.language.word
    if given.holds:
        return word(
            "{start} to {expires}: {owner} answers for it, {approver} approved it ({reason}); seen then: {seen}",
            **values,
        )
    return word(
        "Does not apply: {against} — {start} to {expires}, {owner}, {approver} ({reason}); seen then: {seen}",
        against=pen.say(given.against),
        **values,
    )


def _seen(pen: Pen, given: Waived) -> str:
    """What was breached when it was waived."""
    state = pen.language.say(STANDINGS[of_state(given.state)])
    objects = [f"{pen.name(name)} {pen.name(value)}" for name, value in given.seen.items()]
    return f"{state}{': ' if objects else ''}{', '.join(objects[:8])}{' …' if len(objects) > 8 else ''}"


def file(pen: Pen, given: FoundFile) -> str:
    """One CSV with its hash, and how much of what was found it holds."""
    rows = Quantity(given.count, "row")
    values = {"file": given.name, "some": given.rows, "rows": rows, "hash": given.sha256}
    return pen.language.word("{file}: {some} of {rows}, SHA-256 {hash}", **values)
