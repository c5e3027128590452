"""``muses-runbook audit`` from outside: what it shows, what it proves, how a person closes what nobody knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runbook.acting import journal
from runbook.acting.journal import Journal
from runbook.acting.locks import acting_on
from runbook.commands.audit import audit
from runbook.errors import JournalError, LockError

SITE = """
[site]
environment = "here"
state = "{state}"
[environments.here]
{more}
"""
STEP = {
    "what": {"template": "Start {replica}", "values": {"replica": "a:replica-01"}},
    "target": "workers",
    "operation": "start",
}


@pytest.fixture
def book(tmp_path: Path) -> Journal:
    """The journal of a run that ended and of one that was killed in the middle of its second step."""
    book = Journal(tmp_path / "journal.jsonl")
    for run in ("R1", "R2"):
        book.write("begin", run=run, row="", body={"environment": "here", "epochs": {"database": 7}})
        intent = book.write("intent", run=run, row="QUEUE-01", body=STEP)
        book.write("result", run=run, row="QUEUE-01", body={"intent": intent.number, "outcome": "done"})
        if run == "R1":
            book.write("proof", run=run, row="QUEUE-01", body={"proven": "fixed"})
            book.write("end", run=run, row="", body={})
    book.write("intent", run="R2", row="QUEUE-01", body=STEP)
    return book


def said(folder: Path, *arguments: str, more: str = "") -> Result:
    """The command at this folder's site. What it raises is told by ``cli.main``, and here by the result."""
    file = folder / "site.toml"
    file.write_text(SITE.format(state=folder, more=more))
    command, *rest = arguments
    return CliRunner().invoke(audit, [command, "--settings", str(file), *rest], standalone_mode=False)


def test_verify_says_how_many_that_there_is_no_copy_and_what_is_open(tmp_path: Path, book: Journal) -> None:
    result = said(tmp_path, "verify")
    assert result.return_value == 3
    assert "9" in result.output
    assert "R2" in result.output
    assert "journal.copy" in result.output


@pytest.mark.parametrize("tamper", [b'"done"', b'"R1"', b'"fixed"'])
def test_verify_names_the_line_that_was_changed(tamper: bytes, tmp_path: Path, book: Journal) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_bytes(file.read_bytes().replace(tamper, b'"ever"', 1))
    result = said(tmp_path, "verify")
    assert isinstance(result.exception, JournalError)
    assert "journal.jsonl:" in str(result.exception)


def test_verify_says_that_a_copy_which_is_asked_for_is_not_there(tmp_path: Path, book: Journal) -> None:
    result = said(tmp_path, "verify", more='journal.copy = "storage"')
    assert isinstance(result.exception, JournalError)
    assert "storage" in str(result.exception)


def test_show_is_one_line_an_entry_and_narrows_down(tmp_path: Path, book: Journal) -> None:
    lines = said(tmp_path, "show").output.splitlines()
    assert len(lines) == 9
    assert "a:replica-01" in lines[1]
    assert "#2 → done" in lines[2]
    assert len(said(tmp_path, "show", "--run", "R2").output.splitlines()) == 4
    assert len(said(tmp_path, "show", "--row", "QUEUE-01", "--last", "2").output.splitlines()) == 2
    entries = [json.loads(line) for line in said(tmp_path, "show", "--json").output.splitlines()]
    assert [entry["number"] for entry in entries] == list(range(1, 10))


def test_sql_makes_the_copy_s_table_with_the_names_of_the_settings(tmp_path: Path) -> None:
    more = 'journal = { copy = "database", schema = "bitacora", login = { user = "solo_agrega" } }'
    printed = said(tmp_path, "sql", more=more).output
    assert 'CREATE TABLE IF NOT EXISTS "bitacora".journal' in printed
    assert "GRANT SELECT, INSERT ON bitacora.journal TO solo_agrega;" in printed


def settle(folder: Path, number: int) -> Result:
    return said(folder, "settle", str(number), "--outcome", "done", "--as", "ana", "--reason", "it runs")


def test_a_person_closes_a_step_and_with_the_last_one_its_run(tmp_path: Path, book: Journal) -> None:
    assert settle(tmp_path, 9).return_value == 0
    result, end = journal.verify(tmp_path / "journal.jsonl")[-2:]
    assert (result.body["intent"], result.body["outcome"], result.body["who"]) == (9, "done", "ana")
    assert (end.kind, end.run, end.body["killed"]) == ("end", "R2", True)
    assert said(tmp_path, "verify").return_value == 0


@pytest.mark.parametrize("number", [2, 3, 99])
def test_what_is_not_open_is_not_closed(number: int, tmp_path: Path, book: Journal) -> None:
    assert isinstance(settle(tmp_path, number).exception, JournalError)
    assert len(journal.verify(tmp_path / "journal.jsonl")) == 9


def test_nothing_is_closed_while_a_run_acts(tmp_path: Path, book: Journal) -> None:
    with acting_on("here", tmp_path):
        assert isinstance(settle(tmp_path, 9).exception, LockError)
