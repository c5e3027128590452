"""The JSON is the record: it goes round, is stable, and is refused in words when it is not ours."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from reports import canonical
from runbook.errors import ReportError
from runbook.model import SCHEMA_VERSION, Reading
from runbook.text import Quantity
from tests.reports import factory

replace = msgspec.structs.replace


def test_a_run_goes_round() -> None:
    assert canonical.load(canonical.dump(factory.incident())) == factory.incident()


@pytest.mark.parametrize("run", [factory.incident(), factory.hostile()], ids=["incident", "hostile"])
def test_the_bytes_are_stable_and_sorted(run: object) -> None:
    once = canonical.dump(run)  # type: ignore[arg-type]
    assert canonical.dump(canonical.load(once)) == once
    keys = list(json.loads(once))
    assert keys == sorted(keys)
    assert once.endswith(b"}\n")
    assert b"\x1b" not in once


def test_what_json_cannot_hold_does_not_lose_the_record() -> None:
    strange = {"nan": math.nan, "decimal": Decimal("1.5"), "object": object, "when": datetime(2026, 1, 1, tzinfo=UTC)}
    measures = (replace(factory.growth(1, factory.State.OK), value=Quantity(math.inf, "s")),)
    queue = factory.queue()
    record = replace(queue, verdict=replace(queue.verdict, measures=measures))
    run = replace(factory.incident(), records=(record,), readings=(_reading(strange),))
    again = canonical.load(canonical.dump(run))
    assert again.records[0].verdict.measures[0].value == "inf s"
    assert again.readings[0].value["decimal"] == "1.5"


def _reading(value: object) -> Reading:
    return Reading(target="x", request="y", value=value, taken_at=factory.START, took=factory.timedelta())


def test_personal_data_is_masked_again_by_pattern_and_by_key() -> None:
    run = replace(factory.incident(), readings=(_reading({"nombre": "Ana Canaria", "x": "PEGJ850101HDFRRN09"}),))
    stored = canonical.dump(run).decode()
    assert "Canaria" not in stored
    assert "PEGJ850101HDFRRN09" not in stored


def test_a_newer_schema_is_refused_by_its_number() -> None:
    newer = json.loads(canonical.dump(factory.incident())) | {"schema": SCHEMA_VERSION + 1, "records": "changed"}
    with pytest.raises(ReportError, match=f"schema {SCHEMA_VERSION + 1}.*reads up to {SCHEMA_VERSION}"):
        canonical.load(json.dumps(newer).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"schema": "one"}', b'{"schema": 1}', b"\xff\xfe"])
def test_what_is_no_run_is_refused(data: bytes) -> None:
    with pytest.raises(ReportError, match="The file is no run of muses-runbook"):
        canonical.load(data)


def test_a_bad_value_is_named_by_its_path() -> None:
    bad = json.loads(canonical.dump(factory.incident()))
    bad["records"][0]["verdict"]["state"] = "FINE"
    with pytest.raises(ReportError, match=r"records\[...\].verdict.state|\$.records"):
        canonical.load(json.dumps(bad).encode())
