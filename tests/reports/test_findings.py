"""What SQL rows found as CSV with its hash; and a waiver in every format, whatever comes of it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

import reports
from reports import findings
from reports.language import Language
from reports.words import Standing, standing
from runbook.model import Measure, Reading, Record, Run, State, Verdict, Waived
from runbook.text import Quantity, text
from tests.reports import factory

replace = msgspec.structs.replace
REQUEST = "result(VAL-01 0000)"


def scripted(*rows: list[str | None], count: int | None = None, values: list[float] | None = None) -> Run:
    """A run with one SQL row that found these."""
    listing = {"line": 7, "columns": ["uuid", "n"], "rows": list(rows), "count": len(rows) if count is None else count}
    reading = Reading(
        target="database",
        request=REQUEST,
        value={"listings": [listing | {"values": values}]},
        taken_at=factory.START,
        took=timedelta(seconds=1),
    )
    measure = Measure(object="v", value=Quantity(9, ""), state=State.WARNING, warning=Quantity(3.0, ""))
    verdict = Verdict(
        state=State.WARNING,
        summary=text("found"),
        measures=(measure,),
        readings=(f"database.{REQUEST}",),
        judged_at=factory.START,
    )
    record = Record(row="VAL/01", title=text("x"), section="sql", verdict=verdict)
    return replace(factory.incident(), records=(record,), readings=(reading,))


def only(run: Run) -> findings.FoundFile:
    ((file,),) = findings.files(run, "r").values()
    return file


def test_the_files_lie_beside_the_report_and_their_hashes_agree(tmp_path: Path) -> None:
    run = scripted(["a", "1"], ["b", None], count=25_431)
    written = reports.write(run, tmp_path, ["json", "html", "markdown", "junit"], Language("en"))
    name = f"{run.id}.VAL-01.7.csv"
    assert written["sha256"].read_text() == f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n"
    for kind in ("html", "markdown", "junit"):
        page = written[kind].read_text()
        assert only(run).sha256 in page, kind
        assert "25,431" in page, kind
    again = reports.write(reports.read(tmp_path), tmp_path / "again", ["json"], Language("es"))
    assert again[name].read_bytes() == written[name].read_bytes()


def test_cells_are_no_formulas_and_hold_no_person() -> None:
    hostile = [
        "=cmd()",
        "+1",
        "@x",
        "-1+2",
        "\t=x",
        "-5",
        "-5.5",
        'a,"b"\nc',
        "XAXX010101HDFXXX09 x@example.invalid",
        None,
    ]
    rows = [[cell, "1"] for cell in hostile]
    content = only(scripted(*rows)).content
    read = [row[0] for row in csv.reader(io.StringIO(content.decode("utf-8-sig")))][1:]
    assert read == ["'=cmd()", "'+1", "'@x", "'-1+2", "'\t=x", "-5", "-5.5", 'a,"b"\nc', "‹CURP› ‹correo›", ""]


def test_only_rows_beyond_the_limit_of_their_column_are_findings() -> None:
    file = only(scripted(["a", "9"], ["b", "4"], ["c", "3"], values=[9.0, 4.0, 3.0]))
    assert (file.rows, file.count) == (2, 2)


def test_a_run_that_found_nothing_leaves_no_file(tmp_path: Path) -> None:
    written = reports.write(scripted(), tmp_path, ["json"], Language("en"))
    assert list(written) == ["json"]


def waived(record: Record, **changes: Any) -> Record:
    given = Waived(
        owner="Ana Invención",
        approver="Luis Supuesto",
        reason="se cambia en la 2.4 <b>",
        start=date(2026, 11, 1),
        expires=date(2026, 12, 31),
        state=State.CRITICAL,
        seen={"muses.recepcion": "486.0"},
        holds=True,
    )
    return replace(record, waivers=(replace(given, **changes),))


@pytest.mark.parametrize("code", ["es", "en"])
@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("record", [factory.backup(), factory.healthy("DB-01"), factory.skipped()])
def test_a_waiver_is_shown_in_every_format(tmp_path: Path, record: Record, holds: bool, code: str) -> None:
    against = None if holds else text("The waiver expired on {day}", day="2026-11-20")
    run = replace(factory.incident(), records=(waived(record, holds=holds, against=against),))
    written = reports.write(run, tmp_path, (*reports.USUAL, "markdown:gitlab"), Language(code))
    for kind, path in written.items():
        page = path.read_text()
        assert "Ana Invención" in page, kind
        assert "Luis Supuesto" in page, kind
        assert "2.4 <b>" not in page or kind == "json", kind
    assert json.loads(written["json"].read_text())["records"][0]["waivers"][0]["holds"] is holds


def test_a_waived_breach_is_no_failure_and_no_secret() -> None:
    record = waived(factory.backup())
    run = replace(factory.incident(), records=(record, factory.healthy("DB-01")))
    assert standing(record) is Standing.WAIVED
    assert standing(waived(factory.healthy("DB-01"))) is Standing.OK
    (suites,) = [ElementTree.fromstring(reports.render(run, "junit", Language("en")))]
    assert (suites.get("failures"), suites.get("skipped")) == ("0", "1")
    assert "1 breach waived" in reports.render(run, "html", Language("en")).decode()


def test_the_terminal_tells_of_waivers_too(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    run = replace(factory.incident(), records=(waived(factory.backup()), waived(factory.healthy("DB-01"), holds=False)))
    with reports.board(Language("en"), sys.stdout) as board:
        board.finished(run)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("Ana Invención") == 3
    assert "WAIVED BACKUP-01" in shown
