"""Each form of log, from recorded lines of real servers, with what is nasty in them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.targets.slow_log.findings import SlowLog
from runbook.targets.slow_log.form import Bounds
from runbook.targets.slow_log.forms import UnknownPrefix, form_of
from runbook.targets.slow_log.prefix import COMMON
from runbook.targets.slow_log.reading import UnknownForm, tallied
from runbook.targets.slow_log.sources import Source, sources
from runbook.targets.slow_log.telling import told

STAMP = "2026-11-20 10:00:00.123 CST"
Record = tuple[str, str, str, str]  # level, message, detail, statement

#: A session's statement, what it names the server's session, and what surrounds it.
SELECT = "SELECT * FROM tbae001_inscripcion WHERE curp_actual = "
UPDATE = "UPDATE tbae002_bajas SET tipo_baja = "
VACUUM = "vacuum automático de la tabla «s.m.tbae001»: recorridos de índice: 1\nCPU: transcurrido: 1.50 s"
PLAN = "Query Text: SELECT explicada FROM tbmu002_persona WHERE curp = 'k'\nSeq Scan on p  (cost=0.00..1.01)"
RECORDS: tuple[Record, ...] = (
    ("LOG", "duration: 10.000 ms  statement: " + SELECT.replace(" WHERE", "\n WHERE") + "'a\n\nb' -- x", "", ""),
    ("LOG", f"duration: 30.000 ms  statement: {SELECT}'it''s'", "", ""),
    ("LOG", f"duration: 20.000 ms  execute S_1/C_2: {SELECT}$1", "parameters: $1 = 'q'", ""),
    ("LOG", f"duration: 5.000 ms  bind S_1/C_2: {SELECT}$1", "", ""),
    ("LOG", f"duration: 2.000 ms  parse S_1: {SELECT}$1", "", ""),
    ("LOG", 'duración: 7.500 ms  sentencia: SELECT "x: y" FROM tbmu006_inscripcion WHERE id = 5', "", ""),
    ("LOG", f"statement: {UPDATE}'x'", "", ""),
    ("LOG", "duration: 4.000 ms", "", ""),
    ("ERROR", "deadlock detected", "Process 1 waits", f"{UPDATE}'y'"),
    (
        "ERROR",
        'near "LOG:  duration: 999.0 ms  statement: SELECT falso',
        "",
        "SELECT 'duration: 9.0 ms  statement: no'",
    ),
    ("LOG", "process 7 still waiting for ShareLock on transaction 9 after 1000.1 ms", "", f"{UPDATE}'z'"),
    ("LOG", "process 7 acquired ShareLock on transaction 9 after 2500.5 ms", "", f"{UPDATE}'z'"),
    ("LOG", 'temporary file: path "base/pgsql_tmp/pgsql_tmp1.0", size 4096', "", f"{SELECT}'w'"),
    ("LOG", VACUUM, "", ""),
    ("LOG", "checkpoint complete: wrote 12 buffers (0.1%); write=1.0 s, sync=0.1 s, total=1.250 s; sync=3", "", ""),
    ("LOG", "checkpoints are occurring too frequently (9 seconds apart)", "", ""),
    ("ERROR", "canceling statement due to statement timeout", "", "SELECT pg_sleep(9)"),
    ("LOG", f"duration: 50.000 ms  plan:\n{PLAN}", "", ""),
)


def stderr(records: tuple[Record, ...] = RECORDS, prefix: str = "{stamp} [{pid}] muses_app@sep_muses ") -> bytes:
    lines = []
    for level, message, detail, statement in records:
        head = prefix.format(stamp=STAMP, pid=7)
        for name, words in ((level, message), ("DETAIL", detail), ("STATEMENT", statement)):
            lines += [f"{head}{name}:  {words}".replace("\n", "\n\t")] if words else []
    return "".join(f"{line}\n" for line in lines).encode()


def csvlog(records: tuple[Record, ...] = RECORDS) -> bytes:
    written = io.StringIO()
    for level, message, detail, statement in records:
        row = [STAMP, "muses_app", "sep_muses", 7, "[local]", "6.7", 1, "SELECT", STAMP, "3/4", 0, level, "00000"]
        row += [message, detail, "", "", "", "", statement, "", "", 'app, "x"\n', "client backend", "", 0]
        quoted = [str(value) if isinstance(value, int) or value in (STAMP, level) else value for value in row]
        csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_MINIMAL).writerow(quoted)
    return _as_the_server_quotes(written.getvalue()).encode()


def _as_the_server_quotes(text: str) -> str:
    """The server quotes texts always, times and numbers never."""
    written = io.StringIO()
    for row in csv.reader(io.StringIO(text)):
        bare = {0, 3, 5, 6, 8, 9, 10, 11, 12, 20, 24, 25}
        fields = [v if n in bare or not v else '"' + v.replace('"', '""') + '"' for n, v in enumerate(row)]
        written.write(",".join(fields) + "\n")
    return written.getvalue()


def jsonlog(records: tuple[Record, ...] = RECORDS) -> bytes:
    lines = []
    for level, message, detail, statement in records:
        record = {"timestamp": STAMP, "user": "muses_app", "pid": 7, "error_severity": level, "message": message}
        record |= {"detail": detail} if detail else {}
        record |= {"statement": statement} if statement else {}
        lines.append(json.dumps(record, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines).encode()


FORMS: dict[str, Callable[[], bytes]] = {"stderr": stderr, "csv": csvlog, "json": jsonlog}


def read(path: Path, data: bytes, prefix: str | None = None, bounds: Bounds | None = None) -> SlowLog:
    path.write_bytes(data)
    return told(tallied(sources(str(path)), prefix, bounds or Bounds(), 1))


@pytest.fixture(params=FORMS)
def found(request: pytest.FixtureRequest, tmp_path: Path) -> SlowLog:
    return read(tmp_path / "log", FORMS[request.param]())


def test_statements_are_counted_by_shape_whatever_the_form(found: SlowLog) -> None:
    shapes = {
        s.query: (s.count, s.total.total_seconds() * 1000, s.preparing.total_seconds() * 1000) for s in found.statements
    }
    assert shapes == {
        "SELECT * FROM tbae001_inscripcion WHERE curp_actual = $1": (3, 60.0, 7.0),
        "SELECT explicada FROM tbmu002_persona WHERE curp = $1": (1, 50.0, 0.0),
        'SELECT "x: y" FROM tbmu006_inscripcion WHERE id = $1': (1, 7.5, 0.0),
        "UPDATE tbae002_bajas SET tipo_baja = $1": (1, 4.0, 0.0),
    }
    first = found.statements[0]
    assert (first.longest.total_seconds(), first.mean.total_seconds(), first.p95.total_seconds()) == (0.03, 0.02, 0.03)
    assert first.tables == ("tbae001_inscripcion",)
    assert first.example == "SELECT * FROM tbae001_inscripcion WHERE curp_actual = '‹…›'"
    assert first.share == pytest.approx(60 / 71.5)
    assert (found.first, found.last, found.unread) == (STAMP, STAMP, 0)


def test_waits_files_and_the_servers_own_work_are_told(found: SlowLog) -> None:
    update = next(s for s in found.statements if s.query.startswith("UPDATE"))
    assert (update.waits, update.waited.total_seconds(), update.failures) == (1, 2.5005, 1)
    select = found.statements[0]
    assert (select.temp_files, select.temp_bytes) == (1, 4096)
    assert (found.waits, found.deadlocks, found.statement_timeouts) == ({"ShareLock": 1}, 1, 1)
    assert (found.temp_files, found.temp_bytes, found.errors) == (1, 4096, {"ERROR": 3})
    [vacuum] = found.maintenance
    assert (vacuum.table, vacuum.kind, vacuum.total.total_seconds()) == ("s.m.tbae001", "vacuum", 1.5)
    points = found.checkpoints
    assert (points.count, points.buffers, points.total.total_seconds(), points.too_frequent) == (1, 12, 1.25, 1)


def test_no_literal_is_told(found: SlowLog) -> None:
    assert not any(kept in repr(found) for kept in ("it''s", "'q'", "'y'", "'z'", "'w'", "'k'", "falso"))


@pytest.mark.parametrize("form", FORMS)
def test_bounds_are_by_the_logs_own_clock(form: str, tmp_path: Path) -> None:
    data = FORMS[form]() + FORMS[form]().replace(b"10:00:00.123", b"11:30:00.000")
    assert read(tmp_path / "log", data, None, Bounds("2026-11-20 11", "2026-11-20 12")).statements[0].count == 3
    assert read(tmp_path / "log", data, None, Bounds("2026-11-20 12")).records == 0


def test_bounds_of_seconds_since_1970_and_of_no_time_at_all(tmp_path: Path) -> None:
    data = stderr(prefix="1795190400.123 [{pid}] ")  # 2026-11-20 16:00 UTC
    for since, count in (("2026-11-20 15:59", 3), ("2026-11-20 16:01", 0)):
        found = read(tmp_path / "log", data, "%n [%p] ", Bounds(since))
        assert sum(s.count for s in found.statements if s.tables == ("tbae001_inscripcion",)) == count
    undated = stderr(prefix="[{pid}] ")
    assert read(tmp_path / "log", undated, "[%p] ").statements[0].count == 3
    with pytest.raises(UnknownForm):
        read(tmp_path / "log", undated, "[%p] ", Bounds("2026-11-20"))


@pytest.mark.parametrize("form", FORMS)
def test_a_log_cut_anywhere_gives_what_is_whole(form: str, tmp_path: Path) -> None:
    data = FORMS[form]()
    whole = read(tmp_path / "log", data)
    for place in range(0, len(data), 61):
        left = read(tmp_path / "log", data[:place], "%m [%p] %u@%d ")
        assert left.records <= whole.records
        assert sum(s.count for s in left.statements) <= sum(s.count for s in whole.statements)


def test_a_torn_csv_record_costs_only_itself(tmp_path: Path) -> None:
    whole = csvlog()
    torn = whole[: whole.index(b"it''s")] + b"\n"
    found = read(tmp_path / "log", torn + whole * 3)
    assert found.statements[0].count == 10
    assert found.unread == 1


def test_a_csv_literal_that_looks_like_a_record_is_one_literal(tmp_path: Path) -> None:
    record = f'{STAMP},"u","d",7,"h",6.7,1,"SELECT",,,0,LOG,0,"duration: 9.0 ms  x: y"'
    forged = f"duration: 1.0 ms  statement: SELECT '\n{record}\n'"
    found = read(tmp_path / "log", csvlog((("LOG", forged, "", ""),)))
    assert [(s.query, s.count) for s in found.statements] == [("SELECT $1", 1)]


@pytest.mark.parametrize("prefix", COMMON)
def test_common_prefixes_are_guessed(prefix: str, tmp_path: Path) -> None:
    values = {"m": STAMP, "p": "7", "q": "", "u": "muses_app", "d": "sep_muses", "a": "servicio: x", "h": "10.0.0.9"}
    values |= {"l": "3", "r": "10.0.0.9(51234)", "c": "6920a.7b", "e": "00000", "s": STAMP, "v": "3/14", "x": "0"}
    values |= {"n": "1795190400.123"}
    written = prefix
    for letter, value in values.items():
        written = written.replace(f"%{letter}", value)
    assert read(tmp_path / "log", stderr(prefix=written)).statements[0].count == 3


def test_any_other_prefix_is_understood_when_it_is_told(tmp_path: Path) -> None:
    data = stderr(prefix="<<{pid}>> {stamp} | muses_app   | 100%  ")
    assert read(tmp_path / "log", data, "<<%p>> %m | %-11u | 100%% %q ").statements[0].count == 3
    with pytest.raises(UnknownPrefix):
        form_of(data, None, Bounds())


def test_lines_that_go_on_without_a_tab_belong_to_their_record(tmp_path: Path) -> None:
    found = read(tmp_path / "log", stderr().replace(b"\n\t", b"\n"))
    assert found.statements[0].count == 3
    assert found.statements[0].query == "SELECT * FROM tbae001_inscripcion WHERE curp_actual = $1"


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\0\0\0"])
def test_nothing_is_no_record(data: bytes, tmp_path: Path) -> None:
    assert read(tmp_path / "log", data).records == 0


def test_text_of_any_encoding_is_read(tmp_path: Path) -> None:
    latin = (
        stderr((("LOG", "duración: 8.0 ms  sentencia: SELECT año FROM tbae001", "", ""),)).decode().encode("latin-1")
    )
    found = read(tmp_path / "log", latin)
    assert [s.query for s in found.statements] == ["SELECT año FROM tbae001"]


def test_sources_say_how_they_are_compressed(tmp_path: Path) -> None:
    (tmp_path / "a.1").write_bytes(b"\x1f\x8b....")
    assert [source.kind for source in sources(str(tmp_path / "a.1"))] == ["gz"]
    assert Source("-").splittable is False
