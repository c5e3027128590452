"""Logs shared out among readers say what one reader says; what cannot be read is said."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from runbook.targets.slow_log import parts, reading
from runbook.targets.slow_log.findings import SlowLog
from runbook.targets.slow_log.form import Bounds
from runbook.targets.slow_log.reading import UnknownForm, UnreadableLog, tallied
from runbook.targets.slow_log.sources import Source, sources
from runbook.targets.slow_log.telling import told
from tests.runbook.targets.slow_log.test_forms import FORMS, csvlog, stderr

PREFIX = "%m [%p] %u@%d "


def read(paths: list[Path], jobs: int) -> SlowLog:
    logs = [source for path in paths for source in sources(str(path))]
    return told(tallied(logs, PREFIX, Bounds(), jobs))


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts so small that records and sessions are cut by them."""
    monkeypatch.setattr(parts, "PART", 1024)
    monkeypatch.setattr(reading, "_WORTH_SHARING", 1)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("form", FORMS)
def test_several_readers_say_what_one_says(form: str, tmp_path: Path) -> None:
    first, second, packed = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    first.write_bytes(FORMS[form]() * 9)
    second.write_bytes(FORMS[form]() * 4)
    packed.write_bytes(gzip.compress(FORMS[form]()))
    alone = read([first, second, packed], 1)
    assert alone.statements[0].count == 3 * 14
    for jobs in (2, 3, 5):
        assert read([first, second, packed], jobs) == alone


@pytest.mark.usefixtures("small_parts")
def test_a_time_finds_the_statement_that_another_reader_saw(tmp_path: Path) -> None:
    log = tmp_path / "log"
    announced = stderr((("LOG", "statement: SELECT 1 FROM tbae001_inscripcion", "", ""),))
    between = stderr((("LOG", "connection authorized: user=x", "", ""),)).replace(b"[7]", b"[8]") * 200
    log.write_bytes(announced + between + stderr((("LOG", "duration: 9.0 ms", "", ""),) * 2))
    found = read([log], 2)
    assert [(s.query, s.count) for s in found.statements] == [("SELECT $1 FROM tbae001_inscripcion", 1)]
    assert found.unplaced == 1


@pytest.mark.usefixtures("small_parts")
def test_boundaries_are_where_records_begin(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(csvlog() * 9)
    lots = parts.shared(sources(str(log)), 4, None)
    pieces = [piece for lot in lots for piece in lot]
    assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    assert len(lots) == 4
    assert all(log.read_bytes()[piece.start :].startswith(b"2026-11-20") for piece in pieces)


def test_what_cannot_be_unpacked_is_said(tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(stderr() * 100)[:-30])
    with pytest.raises(UnreadableLog, match="unpacked"):
        read([log], 1)


@pytest.mark.usefixtures("small_parts")
def test_what_a_reader_cannot_read_is_said_by_all(tmp_path: Path) -> None:
    good, bad = tmp_path / "a", tmp_path / "b.gz"
    good.write_bytes(stderr() * 20)
    bad.write_bytes(gzip.compress(stderr() * 100)[:-30])
    with pytest.raises(UnreadableLog, match="unpacked"):
        read([good, bad], 2)


def test_a_prefix_that_nobody_knows_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_text("a b c\n" * 50)
    with pytest.raises(UnknownForm, match=str(log)):
        tallied(sources(str(log)), None, Bounds(), 1)
    known = tmp_path / "a"
    known.write_bytes(stderr() * 20)
    monkeypatch.setattr(parts, "PART", 16)
    monkeypatch.setattr(reading, "_WORTH_SHARING", 1)
    with pytest.raises(UnknownForm, match=str(log)):
        tallied([*sources(str(log)), *sources(str(known))], None, Bounds(), 3)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nada"):
        with pytest.raises(OSError, match="file"):
            sources(str(path))


def test_a_log_that_vanishes_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLog):
        tallied([Source(str(tmp_path / "nada"), size=5)], None, Bounds(), 1)
