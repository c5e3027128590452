"""Environments side by side, in every format: nothing hidden, nothing believed, small enough to open."""

from __future__ import annotations

import io
import json
from pathlib import Path

import msgspec
import pytest

from reports import matrix
from reports.language import Language
from reports.matrix import Column
from reports.matrix.view import view
from runbook.errors import ReportError
from runbook.model import Record, Run, State
from runbook.text import text
from tests.reports import factory, markup

EN = Language("en")
HOSTILE = "<script>alert(1)</script>| `x` @all #1"


@pytest.fixture(scope="module")
def columns() -> tuple[Column, ...]:
    """One with an incident, one where half the rows are there and in order, one that could not be judged."""
    run = factory.incident()
    calm = msgspec.structs.replace(run, records=tuple(r for r in run.records if r.verdict.state is State.OK), id="R2")
    return (
        Column(site="SEP", environment="prod", run=run),
        Column(site="SEP", environment="qa", run=calm),
        Column(
            site="Otro", environment=HOSTILE, error=text("{why} of {who}", why=HOSTILE, who="juan.perez@example.org")
        ),
    )


def test_the_worst_comes_first_and_what_is_alike_is_named_once(columns: tuple[Column, ...]) -> None:
    shown = view(columns, EN, None)
    assert [line.row for line in shown.lines][:3] == ["BACKUP-01", "ETL-01", "HOST-01"]
    assert shown.healthy == ("DB-01", "ETL-02", "QUEUE-02", "STAGE-01")
    assert ", ".join(shown.headline) == (
        "1 environment is critical, 1 environment was not judged, 1 environment has nothing open"
    )


def test_a_cell_says_how_the_row_stands_there(columns: tuple[Column, ...]) -> None:
    [backup] = [line for line in view(columns, EN, None).lines if line.row == "BACKUP-01"]
    prod, qa, other = backup.cells
    assert prod
    assert (prod.mark.name, prod.value) == ("critical", "2 d 5 h")
    assert qa is None
    assert other
    assert (other.mark.name, other.value) == ("unknown", "")


def test_what_could_not_be_read_shows_no_value(columns: tuple[Column, ...]) -> None:
    [host] = [line for line in view(columns, EN, None).lines if line.row == "HOST-01"]
    assert host.cells[0]
    assert (host.cells[0].mark.name, host.cells[0].value) == ("unknown", "")


def test_blind_is_not_green(columns: tuple[Column, ...]) -> None:
    nothing = msgspec.structs.replace(columns[1], run=msgspec.structs.replace(factory.incident(), records=()))
    assert (columns[2].state, nothing.state) == (State.UNKNOWN, State.UNKNOWN)
    assert matrix.state_of([columns[1], nothing]) is State.UNKNOWN
    assert matrix.state_of(columns) is State.CRITICAL


def test_skipped_everywhere_is_named_apart() -> None:
    skipped = msgspec.structs.replace(factory.incident(), records=(factory.skipped(),))
    shown = view([Column(site="S", environment=name, run=skipped) for name in "ab"], EN, None)
    assert (shown.skipped, shown.lines, shown.healthy) == (("NOTIFY-01",), (), ())


def test_times_are_those_of_the_environment(columns: tuple[Column, ...]) -> None:
    run = factory.incident()
    away = msgspec.structs.replace(run, environment=msgspec.structs.replace(run.environment, timezone="Europe/Madrid"))
    heads = view([columns[0], Column(site="S", environment="es", run=away)], EN, None).heads
    assert [head.at[-9:] for head in heads] == ["UTC-06:00", "UTC+01:00"]


def test_the_page_is_well_formed_and_believes_nothing(columns: tuple[Column, ...]) -> None:
    content = matrix.render(columns, "html", EN)
    page = markup.read(content)
    assert b"<script" not in content
    assert len(set(page.ids())) == len(page.ids())
    assert "alert(1)" in page.words
    [table] = page.named("table")
    assert all(cell.attributes.get("scope") for cell in page.named("th") if "table" in cell.path)
    assert table.path[-1] == "div"


def test_links_lead_to_the_row_in_the_report_of_its_environment(columns: tuple[Column, ...], tmp_path: Path) -> None:
    run = columns[0].run
    assert run
    there = tmp_path / "prod runs"
    there.mkdir()
    (there / f"{run.id}.html").touch()
    page = matrix.render([msgspec.structs.replace(columns[0], folder=there)], "html", EN, beside=tmp_path).decode()
    assert f'href="prod%20runs/{run.id}.html#row-BACKUP-01"' in page
    (there / f"{run.id}.html").unlink()
    page = matrix.render([msgspec.structs.replace(columns[0], folder=there)], "html", EN, beside=tmp_path).decode()
    assert "prod%20runs" not in page


def test_markdown_has_no_markup_from_outside(columns: tuple[Column, ...]) -> None:
    shown = matrix.render(columns, "markdown", EN).decode()
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert "<script>" not in shown.replace("\\<", "")
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}
    assert "✓ In order wherever it was judged (4): `DB-01`" in shown


def test_nobody_is_named_anywhere(columns: tuple[Column, ...]) -> None:
    stream = io.StringIO()
    matrix.show(columns, EN, stream, {})
    outputs = [matrix.render(columns, format, EN) for format in matrix.FORMATS]
    assert not [one for one in (*outputs, stream.getvalue().encode()) if b"juan.perez" in one]


def test_the_terminal_has_as_many_columns_as_fit(columns: tuple[Column, ...]) -> None:
    stream = io.StringIO()
    many = [msgspec.structs.replace(columns[0], environment=f"e{number:02}") for number in range(9)]
    matrix.show(many, EN, stream, {"html": Path("m.html")})
    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if line.startswith("BACKUP-01")]) > 1
    assert max(len(line) for line in lines if line.startswith(("BACKUP", " "))) <= 110
    assert all(f"e{number:02}" in stream.getvalue() for number in range(9))
    assert "\x1b" not in stream.getvalue()


def test_the_json_tells_each_row_in_each_environment(columns: tuple[Column, ...]) -> None:
    found = json.loads(matrix.render(columns, "json", EN))
    [backup] = [row for row in found["rows"] if row["row"] == "BACKUP-01"]
    assert [one and one["state"] for one in backup["judged"]] == ["CRITICAL", None, None]
    assert (found["state"], found["environments"][2]["run"]) == ("CRITICAL", None)


def test_a_fleet_still_opens(tmp_path: Path) -> None:
    broken = factory.backup()

    def run(rows: int) -> Run:
        records: tuple[Record, ...] = tuple(msgspec.structs.replace(broken, row=f"R-{n:04}") for n in range(rows))
        return msgspec.structs.replace(factory.incident(), records=records)

    (tmp_path / "20261124T143105Z-7c1f.html").touch()
    wide = [Column(site="S", environment=f"e{n}", run=run(250), folder=tmp_path) for n in range(30)]
    page = matrix.render(wide, "html", EN, beside=tmp_path / "there")
    assert 1_000_000 < len(page) < 2_000_000
    assert b"and 17 more rows, in the reports of the environments" in page
    assert len(matrix.render(wide, "markdown", EN).decode()) <= 60_000


def test_what_cannot_be_written_is_an_error(columns: tuple[Column, ...], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="cannot be written"):
        matrix.write(columns, tmp_path / "file", matrix.FORMATS, EN)
    assert set(matrix.write(columns, tmp_path, ("html", "junit"), EN)) == {"html"}
