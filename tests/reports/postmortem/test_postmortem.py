"""The draft tells what the runs recorded, once, in order, and leaves to people what only they know."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

from reports import drafts, postmortem
from reports.language import Language
from reports.postmortem import causes, deeds, impact
from reports.postmortem.case import Case
from reports.postmortem.course import course
from runbook.model import Outcome, Proof, Record, State, Waived
from runbook.text import Quantity, Text
from tests.reports import factory, markup
from tests.reports.telling import MINUTE, case, judged, replace

ENGLISH = Language("en")
CURP = "XEXX010101HNEXXXA4"


def said(given: Case, code: str = "en") -> str:
    return postmortem.render(given, "markdown", Language(code)).decode()


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_sections_stand_in_the_order_in_which_it_is_read() -> None:
    titles = [line[3:] for line in said(case()).splitlines() if line.startswith("## ")]
    assert titles == [
        *("Summary", "Impact", "Causes", "Trigger", "Detection", "Timeline"),
        *("What was done", "What is open", "Lessons", "Sources"),
    ]


def test_every_section_but_the_sources_has_a_gap_for_people() -> None:
    page = said(case())
    titles = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert all(("Complete: " in section(page, title)) is (title != "Sources") for title in titles)


def test_the_summary_says_how_long_how_bad_why_and_how_it_stands() -> None:
    summary = section(said(case()), "Summary")
    assert "2 rows were breached for 1 h; at worst: Critical." in summary
    assert "The initial-processing service is down; The consolidation service works on a very large batch" in summary
    assert "Tried by muses-runbook: 2 steps. At the end 0 rows were not in order." in summary
    assert "have been breached" in section(said(case(ended=None)), "Summary")


def test_what_stays_as_it_was_is_told_once() -> None:
    lines = course(case())
    assert [(line.row, line.mark, line.run) for line in lines] == [
        ("QUEUE-01", "critical", "run-0"),
        ("QUEUE-01", "", "run-0"),
        ("ETL-01", "warning", "run-0"),
        ("ETL-01", "", "run-0"),
        ("ETL-01", "critical", "run-30"),
        ("ETL-01", "ok", "run-60"),
        ("QUEUE-01", "", "run-60"),
        ("QUEUE-01", "", "run-60"),
        ("QUEUE-01", "fixed", "run-60"),
    ]
    assert [line.at for line in lines] == sorted(line.at for line in lines)


def test_runs_that_are_not_kept_are_told_by_the_history() -> None:
    whole = case()
    lines = course(replace(whole, runs=whole.runs[2:], unread=("run-0", "run-30")))
    assert [(line.row, line.mark, line.run) for line in lines][:3] == [
        ("QUEUE-01", "critical", "run-0"),
        ("ETL-01", "warning", "run-0"),
        ("ETL-01", "critical", "run-30"),
    ]
    assert str(lines[0].what) == "Breached; the report of this run is not kept any more"


def test_a_long_timeline_keeps_its_beginning_and_its_end() -> None:
    whole = case(runs=(), rows=("A-01",))
    flapping = [
        judged("A-01", whole.began + n * timedelta(seconds=10), State.WARNING if n % 2 else State.OK)
        for n in range(301)
    ]
    page = section(said(replace(whole, judged=tuple(flapping), ended=whole.began + timedelta(hours=2))), "Timeline")
    assert page.count("| A-01 |") == 150
    assert "150 lines in the middle are left out" in page


def test_the_impact_is_minutes_against_the_levels_in_their_own_words() -> None:
    found = {one.name: one for one in impact.against_levels(case())}
    # Critical from the second run, half an hour before the third found it in order.
    assert found["latency"].bad == 30 * MINUTE
    page = section(said(case()), "Impact")
    assert "| The latency of the ETL stays within 45 minutes | ETL-01 | 30 min |" in page
    assert "69.4 % of 43 min 12 s" in page
    assert "50,000 records processed in under 30 minutes" in page
    assert "A consolidated record is notified to SIGED within 24 hours" in page
    assert "99.9% availability" in page


def test_a_level_that_nothing_judged_is_not_seen_and_not_met_for_no_time_either() -> None:
    found = {one.name: one for one in impact.against_levels(case())}
    assert (found["availability"].bad, found["availability"].gap) == (timedelta(0), case().until - case().began)


def test_the_most_that_waited_is_told_with_its_sentence_and_never_summed() -> None:
    most = {(one.row, one.object): one for one in impact.most_waiting(case())}
    assert most["QUEUE-01", "muses.recepcion"].amount.value == 1432
    assert most["ETL-01", ""].amount.value == 184_320
    page = section(said(case()), "Impact")
    assert "184,320 records of TecNM wait" in page
    assert "185,752" not in page


def test_of_several_runs_the_one_with_the_most_counts() -> None:
    whole = case()
    told = (factory.both("{n} wait", "{n} esperan", n=Quantity(count, "messages")) for count in (10, 900, 40))
    runs = tuple(
        replace(run, records=(_saying(run.records[0], words),)) for run, words in zip(whole.runs, told, strict=True)
    )
    found = impact.most_waiting(replace(whole, runs=runs))
    assert [(one.amount.value, one.run) for one in found] == [(900, "run-30")]


def _saying(record: Record, words: Text) -> Record:
    measure = replace(record.verdict.measures[0], summary=words)
    return replace(record, verdict=replace(record.verdict, measures=(measure,)), findings=())


def test_the_strongest_proof_of_a_cause_counts_over_all_runs() -> None:
    whole = case()
    first = whole.runs[0]
    doubted = tuple(
        replace(record, findings=tuple(replace(one, proof=Proof.UNKNOWN) for one in record.findings))
        for record in first.records
    )
    found = {
        one.finding.name: one
        for one in causes.causes(replace(whole, runs=(replace(first, records=doubted), *whole.runs[1:])))
    }
    assert found["initial_processing_is_down"].proof is Proof.CONFIRMED
    assert found["initial_processing_is_down"].first_at == whole.runs[1].records[0].verdict.judged_at
    assert found["too_few_consumers"].proof is Proof.UNKNOWN


def test_it_is_said_between_which_judgements_it_began() -> None:
    found = causes.detections(case())
    assert [(one.row, one.run, one.delay) for one in found] == [
        ("QUEUE-01", "run-0", timedelta(minutes=20, seconds=1.1)),
        ("ETL-01", "run-0", timedelta(minutes=20, seconds=1.4)),
    ]
    unknown = causes.detections(case(judged=()))
    assert [(one.row, one.in_order_at) for one in unknown] == [("QUEUE-01", None), ("ETL-01", None)]
    assert "no earlier judgement in order is kept" in section(said(case(judged=())), "Trigger")


def test_what_was_done_says_who_let_it_and_whether_it_helped() -> None:
    page = section(said(case()), "What was done")
    assert page.count("Yes: the check passes again") == 2
    assert "policy (environments.lab.policy.medium)" in page
    assert page.count("Needs approval: a person decides") == 1  # two runs came to the same plan
    assert deeds.left(case())[0].runs == 2


def test_a_failed_step_is_told_and_one_that_did_not_run_is_not() -> None:
    whole = case()
    last = whole.runs[-1]
    failed, behind = last.records[0].actions
    actions = (replace(failed, outcome=Outcome.FAILED), replace(behind, outcome=Outcome.NOT_RUN))
    run = replace(last, records=(replace(last.records[0], actions=actions, verification=None),))
    given = replace(whole, runs=(*whole.runs[:2], run))
    assert [(one.outcome, str(one.what)) for one in deeds.deeds(given)] == [(Outcome.FAILED, str(failed.step.what))]
    page = section(said(given), "What was done")
    assert "failed (1.2 s)" in page
    assert "Not proven" in page
    assert [line.mark for line in course(given) if line.what == failed.step.what] == ["critical"]


def test_where_nothing_was_tried_it_says_so() -> None:
    assert "Nothing was changed by muses-runbook." in section(said(case(runs=case().runs[:2])), "What was done")


def test_what_is_open_is_what_the_newest_run_left() -> None:
    assert "No row of the incident is breached or unknown any more." in section(said(case()), "What is open")
    half = case(runs=case().runs[:2], ended=None, judged=case().judged[:-2])
    page = section(said(half), "What is open")
    assert "QUEUE-01: Critical" in page
    assert "ETL-01: Critical" in page
    assert "Ask who stopped the replicas" in page


def test_a_row_whose_last_report_is_not_kept_is_not_taken_for_mended() -> None:
    whole = case()
    later = judged("ETL-01", whole.runs[-1].ended_at + MINUTE, State.WARNING)
    page = section(said(replace(whole, judged=(*whole.judged, later))), "What is open")
    assert "ETL-01: its newest judgement is not in order, and that report is not kept." in page
    assert "No row of the incident" not in page


def test_a_waived_row_stays_open_with_who_answers_for_it() -> None:
    whole = case(ended=None)
    run = whole.runs[1]
    day = run.started_at.date()
    waiver = Waived(owner="Ana", approver="Beto", reason="x", start=day, expires=day, state=State.CRITICAL, holds=True)
    etl = replace(run.records[1], waivers=(waiver,))
    page = section(said(replace(whole, runs=(replace(run, records=(etl,)),), judged=())), "What is open")
    assert "ETL-01: Waived" in page
    assert "Ana mends it by 24 Nov 2026" in page


@pytest.mark.parametrize("form", drafts.SUFFIXES)
def test_personal_data_never_leaves(form: str) -> None:
    run = factory.hostile(f"curp {CURP} correo ana@example.invalid")
    given = case(runs=(run,), rows=tuple(record.row for record in run.records), judged=())
    content = postmortem.render(given, form, ENGLISH)
    for words in (CURP, "ana@example.invalid"):
        assert words.encode() not in content
        assert words not in postmortem.facts(given).decode()
    if form == "html":
        assert "‹CURP›" in markup.read(content).words


def test_hostile_runs_make_a_well_formed_page() -> None:
    run = factory.hostile()
    page = markup.read(postmortem.render(case(runs=(run,), rows=(run.records[0].row,), judged=()), "html", ENGLISH))
    assert "script" not in {element.tag for element in page.elements}


def test_the_json_has_the_same_facts() -> None:
    found = json.loads(postmortem.facts(case()))
    assert {one["name"]: one["bad"] for one in found["levels"]}["latency"] == "PT1800S"
    assert found["open"] == []
    assert found["rows"] == ["QUEUE-01", "ETL-01"]
    assert len(found["timeline"]) == len(course(case()))
    assert found["runs"] == ["run-0", "run-30", "run-60"]


def test_it_speaks_the_reader_s_language() -> None:
    page = said(case(), "es")
    assert "Un registro consolidado se notifica a SIGED en 24 horas" in page
    assert "El Servicio de Procesamiento Inicial está caído" in page
    assert "24 nov 2026" in page


def test_a_case_without_runs_and_judgements_says_so() -> None:
    page = said(case(runs=(), judged=(), unread=("run-0",)))
    assert "No judgement that saw it is kept." in page
    assert "Drafted from 0 of 1 runs." in page
    assert msgspec.json.decode(postmortem.facts(case(runs=(), judged=())))["timeline"] == []
