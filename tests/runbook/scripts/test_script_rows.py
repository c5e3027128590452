"""SQL files as rows: what the file says of itself, and what is made of what it returns."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook import rows
from runbook.errors import ProbeError, ProbeFailure
from runbook.limits import Limits, Threshold, configured
from runbook.model import Proof, State, Verdict
from runbook.rows import Row
from runbook.scripts import script_rows
from runbook.scripts.header import read
from runbook.targets.scripts.script import Asked, Script
from runbook.targets.scripts.structs import Failure, Listing, Notice, Result, SlowStatement
from runbook.text import Quantity, text

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_registry", {})


class Told:
    """Scripts that give what they are told."""

    def __init__(self, result: Result | ProbeError, slow: SlowStatement | ProbeError | None = None) -> None:
        self._result, self._slow = result, slow

    def asked(self, script: Script, column: str | None = None, *, largest: bool = True) -> Asked:
        return Asked(script, {}, column, largest)

    def result(self, asked: Asked) -> Result:
        return _said(self._result)

    def slow(self, asked: Asked, line: int) -> SlowStatement:
        return _said(self._slow)


def _said(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def row_of(folder: Path, source: str, name: str = "val_01.sql") -> Row:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    return script_rows.module_of(file, folder).check.__row__


def listing(*found: tuple[str | None, ...], columns: str = "id", **changes: Any) -> Listing:
    given: dict[str, Any] = {"line": 1, "rows": found, "count": len(found), "took": SECOND / 10, **changes}
    return Listing(columns=tuple(columns.split()), **given)


def judged(row: Row, told: Told, **overrides: str | int | float) -> Verdict:
    limits = Limits(*configured(row.threshold, row.settings, overrides))
    row.check(scripts=told, limits=limits)
    return limits.verdict()


def found_by(row: Row, told: Told) -> Any:
    return row.causes[0].diagnosis(scripts=told, limits=Limits(row.threshold, row.settings))


@pytest.mark.parametrize(
    ("name", "source", "id", "title"),
    [
        ("valida_curp.sql", "TABLE t", "VALIDA_CURP", "Valida curp"),
        ("valida.sql", "-- =====\n-- Revisa la CURP --\n-- Autor: yo\nTABLE t", "VALIDA", "Revisa la CURP"),
        ("valida.sql", "/* Revisa\n * más */\nTABLE t", "VALIDA", "Revisa"),
        ("lotes/año 1.sql", "\\set x 1\n-- Año {uno}\nTABLE t", "LOTES-ANO-1", "Año {uno}"),
        ("v.sql", "-- id: SEP-07\n-- title: Sin CURP\nTABLE t", "SEP-07", "Sin CURP"),
        ("_.sql", "TABLE t", "_", "_"),
        ("v.SQL", "\ufeff-- Con marca\nTABLE t", "V", "Con marca"),
    ],
)
def test_file_name_and_first_comment_are_enough(tmp_path: Path, name: str, source: str, id: str, title: str) -> None:
    row = row_of(tmp_path, source, name)
    assert (row.id, str(row.title), row.section, row.source) == (id, title, "sql", name)
    assert row.threshold == Threshold(0, None, unit="findings")
    assert script_rows.script_of(row).refusals == ()


@pytest.mark.parametrize(
    ("header", "threshold", "subject"),
    [
        ("-- severity: critical", Threshold(None, 0, unit="findings"), "count"),
        ("-- severity: Crítica", Threshold(None, 0, unit="findings"), "count"),
        ("-- warning: 10\n-- critical: 100", Threshold(10, 100, unit="findings"), "count"),
        ("-- warning: count > 10", Threshold(10, None, unit="findings"), "count"),
        ("-- warning: dias > 3\n-- critical: Dias > 10", Threshold(3, 10, unit=""), "dias"),
        ("-- critical: libre < 5 %", Threshold(None, 5, unit="%", direction="below"), "libre"),
        ("-- warning: edad > 2 h", Threshold(timedelta(hours=2), None, unit="s"), "edad"),
        ("-- warning: peso > 2 GB", Threshold(2_000_000_000, None, unit="B"), "peso"),
    ],
)
def test_a_header_says_how_bad_it_is(header: str, threshold: Threshold, subject: str) -> None:
    found = read(f"{header}\nTABLE t", "v")
    assert (found.problems, found.threshold, found.subject) == ([], threshold, subject)


def test_a_header_says_what_it_needs() -> None:
    header = (
        "-- title: Uno\n-- title-en: One\n-- why: Porque sí\n-- timeout: 2 min\n-- params: desde, hasta='2024-12-31'"
    )
    found = read(f"{header}\nTABLE t", "v")
    assert found.parameters == {"desde": None, "hasta": "2024-12-31"}
    assert (found.timeout, found.title, found.why[1]) == (timedelta(minutes=2), ("One", "Uno"), "Porque sí")


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ("-- severity: grave", "severity"),
        ("-- severity: critical\n-- warning: 3", "severity"),
        ("-- warning: muchos", "count > 10"),
        ("-- warning: n >= 3", "count > 10"),
        ("-- warning: a > 3\n-- critical: b > 3", "same column"),
        ("-- warning: a > 3\n-- critical: a < 3", "same direction"),
        ("-- warning: a > 3 h\n-- critical: a > 9", "same unit"),
        ("-- warning: count > 3 h", "number of rows"),
        ("-- id: tiene espacios", "id"),
        ("-- timeout: pronto", "timeout"),
        ("-- timeout: 5 ms", "timeout"),
        ("-- params: a b", "params"),
        ("-- id: X\n-- tittle: x", "did you mean title"),
    ],
)
def test_a_bad_header_is_the_rows_own_problem(tmp_path: Path, header: str, word: str) -> None:
    row = row_of(tmp_path, f"{header}\nTABLE t")
    (problem,) = script_rows.script_of(row).refusals
    assert word in str(problem)


def test_a_comment_that_looks_like_a_key_is_a_comment(tmp_path: Path) -> None:
    row = row_of(tmp_path, "-- Valida altas\n-- Autor: X\n-- Fecha: 2019-01-01\n-- Warnings: ninguno\nTABLE t")
    assert script_rows.script_of(row).refusals == ()


def test_a_file_is_one_row_as_long_as_it_is_the_same(tmp_path: Path) -> None:
    first = row_of(tmp_path, "TABLE t")
    assert row_of(tmp_path, "TABLE t") is first
    assert row_of(tmp_path, "TABLE u") is not first


def test_two_files_cannot_share_an_id(tmp_path: Path) -> None:
    row_of(tmp_path, "-- id: X-1\nTABLE t", "a.sql")
    with pytest.raises(ValueError, match="X-1 is declared twice"):
        row_of(tmp_path, "-- id: X-1\nTABLE t", "b.sql")


def test_a_dump_is_no_script(tmp_path: Path) -> None:
    row = row_of(tmp_path, "-- Copia\n" + "INSERT INTO t VALUES (1);\n" * 50_000)
    script = script_rows.script_of(row)
    assert (script.steps, [str(why) for why in script.refusals]) == (
        (),
        ["Larger than 1.04858e+06 B: this is no script"],
    )


def test_old_encodings_are_read(tmp_path: Path) -> None:
    for name, encoding in (("a", "cp1252"), ("b", "utf-16"), ("c", "utf-8")):
        (tmp_path / f"{name}.sql").write_bytes("-- Matrícula única\r\nTABLE t".encode(encoding))
        assert str(script_rows.module_of(tmp_path / f"{name}.sql", tmp_path).check.__row__.title) == "Matrícula única"


@pytest.mark.parametrize(
    ("source", "count", "state"),
    [
        ("TABLE t", 0, State.OK),
        ("TABLE t", 1, State.WARNING),
        ("-- severity: critical\nTABLE t", 1, State.CRITICAL),
        ("-- warning: 10\n-- critical: 100\nTABLE t", 10, State.OK),
        ("-- warning: 10\n-- critical: 100\nTABLE t", 11, State.WARNING),
        ("-- warning: 10\n-- critical: 100\nTABLE t", 101, State.CRITICAL),
    ],
)
def test_rows_are_counted_against_the_limits(tmp_path: Path, source: str, count: int, state: State) -> None:
    told = Told(Result(listings=(listing(("a",), count=count),)))
    assert judged(row_of(tmp_path, source), told).state is state


def test_the_site_may_set_other_limits(tmp_path: Path) -> None:
    told = Told(Result(listings=(listing(("a",), count=5),)))
    assert judged(row_of(tmp_path, "TABLE t"), told, warning=5).state is State.OK


def test_each_row_is_judged_by_its_column(tmp_path: Path) -> None:
    row = row_of(tmp_path, "-- warning: n > 3\n-- critical: n > 10\nTABLE t")
    found = listing(("a", "11"), ("b", "4"), ("c", "1"), columns="id n", values=(11.0, 4.0, 1.0))
    verdict = judged(row, Told(Result(listings=(found,))))
    assert [(m.object, m.state) for m in verdict.measures] == [
        ("a", State.CRITICAL),
        ("b", State.WARNING),
        ("c", State.OK),
    ]
    unseen = listing(("c", "1"), columns="id n", values=(1.0,), count=2, without_value=1)
    assert judged(row, Told(Result(listings=(unseen,)))).state is State.UNKNOWN
    empty = listing(columns="id n", values=())
    assert judged(row, Told(Result(listings=(empty,)))).state is State.OK


def test_what_failed_is_not_in_order_and_hides_no_breach(tmp_path: Path) -> None:
    row = row_of(tmp_path, "TABLE t; TABLE u")
    failure = Failure(line=2, reason=text("Line {line}: gone", line=2))
    assert judged(row, Told(Result(failures=(failure,)))).state is State.UNKNOWN
    calm = Result(listings=(listing(),), failures=(failure,))
    assert (judged(row, Told(calm)).state, str(judged(row, Told(calm)).summary)) == (State.UNKNOWN, "Line 2: gone")
    broken = Result(listings=(listing(("a",)),), failures=(failure,))
    assert judged(row, Told(broken)).state is State.WARNING


def test_a_script_that_looks_at_nothing_is_not_in_order(tmp_path: Path) -> None:
    assert judged(row_of(tmp_path, "SET search_path TO x"), Told(Result())).state is State.UNKNOWN


def test_a_block_speaks_by_its_warnings(tmp_path: Path) -> None:
    row = row_of(tmp_path, "DO $$ BEGIN END $$")
    calm = Notice(line=1, words="revisado", found=False)
    assert judged(row, Told(Result(notices=(calm,)))).state is State.OK
    wrong = Notice(line=1, words="faltan 3", found=True)
    told = Told(Result(notices=(calm, wrong)))
    assert judged(row, told).state is State.WARNING
    assert found_by(row, told).evidence[0].sample == ("revisado", "faltan 3")


def test_what_is_slow_warns_with_its_plan_and_index(tmp_path: Path) -> None:
    row = row_of(tmp_path, "TABLE t")
    slow = Result(listings=(listing(took=SECOND * 3),))
    plan = SlowStatement(plan=("Seq Scan on t",), indexes=("CREATE INDEX …",))
    assert judged(row, Told(slow)).state is State.WARNING
    assert judged(row, Told(slow), slow="3 s").state is State.OK
    finding = found_by(row, Told(slow, plan))
    assert finding.proof is Proof.CONFIRMED
    assert finding.evidence[-1].sample == ("Seq Scan on t",)
    assert [str(words) for words in finding.advice] == ["An index would help: CREATE INDEX …"]


def test_what_did_not_end_in_time_names_the_index_where_there_is_one(tmp_path: Path) -> None:
    row = row_of(tmp_path, "TABLE t")
    late = Result(failures=(Failure(line=1, reason=text("late"), too_slow=True),))
    verdict = judged(row, Told(late, SlowStatement(plan=(), indexes=("CREATE INDEX …",))))
    assert (verdict.state, str(verdict.summary)) == (
        State.UNKNOWN,
        "Line 1: the statement did not end in time; this would help: CREATE INDEX …",
    )
    blind = ProbeError("database", ProbeFailure.BLIND, "no statistics")
    assert str(judged(row, Told(late, blind)).summary) == "late"


def test_a_plan_that_cannot_be_had_hides_nothing(tmp_path: Path) -> None:
    row = row_of(tmp_path, "TABLE t")
    slow = Result(listings=(listing(("a",), took=SECOND * 3),))
    finding = found_by(row, Told(slow, ProbeError("database", ProbeFailure.BLIND, "no statistics")))
    assert finding.evidence[0].sample == ("id=a",)
    assert [str(words) for words in finding.advice] == ["database: no statistics"]


def test_a_count_is_no_list(tmp_path: Path) -> None:
    told = Told(Result(listings=(listing(("12",), columns="count", count=12, counted=True),)))
    row = row_of(tmp_path, "-- warning: 10\nTABLE t")
    assert judged(row, told).measures[0].value == Quantity(12.0, "findings")
    assert found_by(row, told).evidence[0].count == 1


def test_the_evidence_shows_some_rows_and_counts_all(tmp_path: Path) -> None:
    told = Told(Result(listings=(listing(*((str(n), None) for n in range(30)), columns="id cct", count=25_431),)))
    (evidence,) = found_by(row_of(tmp_path, "TABLE t"), told).evidence
    assert (evidence.count, len(evidence.sample), evidence.sample[0]) == (25_431, 20, "id=0 · cct=∅")
