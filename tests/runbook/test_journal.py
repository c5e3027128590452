"""The journal survives a crash at any byte, and any change of it is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.errors import JournalError
from runbook.journal import Journal, unfinished, verify


def filled(file: Path, count: int = 4) -> list[bytes]:
    journal = Journal(file)
    for number in range(count):
        journal.write("intent", run="R1", row="X-01", body={"n": number, "password": "hunter2"})
    return file.read_bytes().splitlines(keepends=True)


def test_it_chains_and_goes_on_after_reopening(tmp_path: Path) -> None:
    file = tmp_path / "state" / "journal.jsonl"
    filled(file)
    Journal(file).write("result", run="R1", row="X-01", body={"intent": 4})
    entries = verify(file)
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.number for entry in unfinished(entries)] == [1, 2, 3]
    assert b"hunter2" not in file.read_bytes()


def test_a_crash_at_any_byte_loses_only_the_line_being_written(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    lines = filled(file, 3)
    whole, last = b"".join(lines[:2]), lines[2]
    for cut in range(len(last)):
        file.write_bytes(whole + last[:cut])
        assert len(verify(file)) == 2
        Journal(file).write("intent", run="R2", row="X-01", body={})
        assert len(verify(file)) == 3


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda lines: [lines[0], lines[2], lines[3]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[1].replace(b'"n":1', b'"n":9'), *lines[2:]], 2),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [lines[0], b"no json\n", *lines[1:]], 2),
    ],
)
def test_a_line_removed_changed_moved_or_added_is_seen(tmp_path: Path, tamper, line: int) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "journal.jsonl"
    file.write_bytes(b"".join(tamper(filled(file))))
    with pytest.raises(JournalError, match=f"journal.jsonl:{line}:"):
        Journal(file)


def test_a_journal_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(JournalError, match="cannot be"):
        Journal(tmp_path / "state" / "journal.jsonl").write("intent", run="R", row="X", body={})
