"""The run as JUnit XML, for pipelines: one suite a section, one case a row.

A row that is still broken is a failure, one that could not be read an error, one without its target skipped, and so is
one whose breach somebody answers for, with the waiver as its reason. A row that was fixed and proven passes, and says
so in its output.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from datetime import timedelta
from itertools import groupby

from reports import findings
from reports.clean import file_stem, harmless
from reports.language import Language
from reports.panel import Detail, panel
from reports.shown import Panel
from reports.words import Standing, rank, standing
from runbook.model import Record, Run

#: What XML 1.0 cannot hold even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

FoundFiles = Mapping[str, tuple[findings.FoundFile, ...]]

_DETAIL = Detail(brief=True, paragraph=400, measures=5, findings=12, evidence=3, steps=5, samples=0)


def render(run: Run, language: Language) -> bytes:
    """The whole document, UTF-8."""
    records = sorted(run.records, key=lambda record: (record.section, rank(record)))
    took = run.ended_at - run.started_at
    name = f"muses-runbook {harmless(run.environment.name)}"
    found = findings.files(run, file_stem(run.id))
    suites = _element("testsuites", _totals(records), name=name, time=_seconds(took))
    for section, group in groupby(records, key=lambda record: record.section):
        suites.append(_suite(section, list(group), run, language, found))
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True))


def _suite(section: str, records: list[Record], run: Run, language: Language, found: FoundFiles) -> ElementTree.Element:
    took = sum((record.took for record in records), timedelta())
    stamp = language.local(run.started_at).isoformat(timespec="seconds")
    suite = _element(
        "testsuite",
        _totals(records),
        name=harmless(section) or "checks",
        time=_seconds(took),
        timestamp=stamp,
        hostname=harmless(run.environment.host),
    )
    for record in records:
        suite.append(_case(record, run, language, found))
    return suite


def _case(record: Record, run: Run, language: Language, found: FoundFiles) -> ElementTree.Element:
    shown = panel(record, run.ended_at, language, _DETAIL, files=found.get(record.row, ()))
    section, name = f"checks.{harmless(record.section)}", f"{shown.row} {shown.title}"
    case = _element("testcase", {}, classname=section, name=name, time=_seconds(record.took))
    outcome = _outcome(standing(record), shown)
    if outcome is not None:
        case.append(outcome)
    details = _element("system-out", {})
    details.text = _safe("\n".join(_details(shown, language)))
    case.append(details)
    return case


def _outcome(how: Standing, shown: Panel) -> ElementTree.Element | None:
    tag = {
        Standing.CRITICAL: "failure",
        Standing.WARNING: "failure",
        Standing.UNKNOWN: "error",
        Standing.SKIPPED: "skipped",
        Standing.WAIVED: "skipped",
    }.get(how)
    if tag is None:
        return None
    message = " ".join(shown.waivers) if how is Standing.WAIVED else shown.summary
    element = _element(tag, {}, message=message)
    if tag != "skipped":
        element.set("type", how.name)
        element.text = _safe("\n".join((*shown.story.why, *shown.story.next)))
    return element


def _details(shown: Panel, language: Language) -> list[str]:
    """The row in a few lines of plain text."""
    lines = [f"{shown.found.word} → {shown.mark.word}" if shown.found != shown.mark else shown.mark.word, shown.summary]
    lines += [f"{m.object}: {m.value} ({m.limits})" for m in shown.measures]
    lines += [*shown.waivers, *shown.files]
    for finding in (*shown.findings, *shown.ruled_out):
        lines.append(f"{finding.word}: {finding.cause} {finding.summary}".rstrip())
        lines += [f"  {evidence.statement}" for evidence in finding.evidence]
    lines += [f"{action.what} — {action.word}" for action in shown.actions]
    if shown.story.proven:
        lines.append(f"{language.word('Did it help?')} {shown.story.helped}. {shown.proof_summary}")
    return lines


def _totals(records: list[Record]) -> dict[str, int]:
    found = [standing(record) for record in records]
    return {
        "tests": len(found),
        "failures": found.count(Standing.CRITICAL) + found.count(Standing.WARNING),
        "errors": found.count(Standing.UNKNOWN),
        "skipped": found.count(Standing.SKIPPED) + found.count(Standing.WAIVED),
    }


def _element(tag: str, numbers: dict[str, int], **words: str) -> ElementTree.Element:
    given = {name: _safe(value) for name, value in words.items()}
    return ElementTree.Element(tag, given | {name: str(value) for name, value in numbers.items()})


def _safe(words: str) -> str:
    return _FORBIDDEN.sub("\ufffd", words)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.3f}"
