"""The journal survives a crash at any byte, and any change of it is seen."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.acting.journal import Journal, unfinished, verify
from runbook.errors import JournalError


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


def test_a_crash_at_any_byte_loses_only_the_line_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda handle: None)
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


def test_cut_at_any_byte_of_the_whole_file_it_holds_all_lines_before_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda handle: None)  # the cut is made here, not by a power failure
    file = tmp_path / "journal.jsonl"
    content = b"".join(filled(file, 2))
    for cut in range(len(content) + 1):
        file.write_bytes(content[:cut])
        whole = content[:cut].count(b"\n")
        Journal(file).write("intent", run="R2", row="X-01", body={})
        assert [entry.run for entry in verify(file)] == ["R1"] * whole + ["R2"]


def test_a_file_that_somebody_else_wrote_to_meanwhile_is_not_written_to(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal, other = Journal(file), Journal(file)
    other.write("intent", run="R1", row="X-01", body={})
    with pytest.raises(JournalError, match="changed by somebody else"):
        journal.write("intent", run="R2", row="X-01", body={})
    assert len(verify(file)) == 1


def test_a_full_disk_leaves_no_half_of_a_line(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal = Journal(file)
    journal.write("intent", run="R1", row="X-01", body={})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 20, limits[1]))
    try:
        with pytest.raises(JournalError, match="cannot be written"):
            journal.write("intent", run="R2", row="X-01", body={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    journal.write("intent", run="R3", row="X-01", body={})
    assert [entry.run for entry in verify(file)] == ["R1", "R3"]


FOREVER = """
import pathlib, sys
from runbook.acting.journal import Journal
journal = Journal(pathlib.Path(sys.argv[1]))
while True:
    intent = journal.write("intent", run="R", row="X-01", body={"filler": "x" * 4000})
    journal.write("result", run="R", row="X-01", body={"intent": intent.number})
    print(intent.number + 1, flush=True)
"""


def test_a_writer_that_is_killed_leaves_what_it_said_was_written(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", FOREVER, str(file)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = 0
            for _lines in range(5):
                told = int(writer.stdout.readline())
            writer.kill()
        assert len(verify(file)) >= told
        assert len(unfinished(verify(file))) <= 1
        Journal(file).write("end", run="R", row="", body={})
        left = unfinished(verify(file))
        if left:
            Journal(file).write("result", run="R", row="X-01", body={"intent": left[0].number})
