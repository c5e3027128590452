"""Which confirmed cause explains which rows: one fallen service often breaks five of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from reports.language import Language
from reports.shown import FindingView, Panel

#: Causes, and rows of one cause, that are shown; the others are counted.
CAUSES, ROWS = 12, 12


class Cause(msgspec.Struct, frozen=True):
    """A confirmed cause with the rows it explains; ``because`` is what was seen, ``more`` counts the rows left out."""

    cause: str
    because: str
    rows: tuple[Panel, ...]
    more: str


class CauseTree(msgspec.Struct, frozen=True):
    """Confirmed causes in the order of their worst rows, and the rows that none of them explains."""

    causes: tuple[Cause, ...]
    more_causes: str
    unexplained: tuple[Panel, ...]
    more_unexplained: str


def cause_tree(troubled: Sequence[Panel], language: Language) -> CauseTree:
    """The tree of the rows that are open, waived or were fixed, worst first."""
    explained: dict[str, tuple[FindingView, list[Panel]]] = {}
    for panel in troubled:
        for finding in _confirmed(panel):
            explained.setdefault(finding.cause, (finding, []))[1].append(panel)
    alone = [panel for panel in troubled if not any(_confirmed(panel)) and panel.found.name != "ok"]
    causes = tuple(_cause(finding, rows, language) for finding, rows in list(explained.values())[:CAUSES])
    return CauseTree(
        causes=causes,
        more_causes=_more(len(explained) - CAUSES, language),
        unexplained=tuple(alone[:ROWS]),
        more_unexplained=_more(len(alone) - ROWS, language),
    )


def _confirmed(panel: Panel) -> Iterable[FindingView]:
    return (finding for finding in panel.findings if finding.proof == "confirmed")


def _cause(finding: FindingView, rows: Sequence[Panel], language: Language) -> Cause:
    # What was seen may differ from row to row: it is told where it is one.
    because = finding.summary if len(rows) == 1 else ""
    return Cause(finding.cause, because, tuple(rows[:ROWS]), _more(len(rows) - ROWS, language))


def _more(left: int, language: Language) -> str:
    return language.word("and {count} more", count=left) if left > 0 else ""
