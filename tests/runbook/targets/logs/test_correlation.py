"""What failures share and the rest does not, and what is never told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runbook.settings import LogsSettings
from runbook.targets.logs.correlation import Shared, Tally, fields_of, keys, shared
from tests.runbook.targets.logs.saying import SERVICE, line, logs


def tally(*records: dict[str, str]) -> Tally:
    made = Tally()
    for record in records:
        made.add(record)
    return made


def told(failures: list[dict[str, str]], others: list[dict[str, str]]) -> dict[str, str]:
    return {one.field: one.value for one in shared(tally(*failures), tally(*failures, *others))}


LOT = {"id_subsistema": "4", "lote": "2026-17"}


class TestShared:
    def test_the_failures_are_one_lot_of_one_subsystem(self) -> None:
        failures = [LOT | {"transaction_id": f"t{n}"} for n in range(37)]
        others = [{"id_subsistema": str(n % 3), "lote": "2026-16", "transaction_id": f"u{n}"} for n in range(200)]
        found = shared(tally(*failures), tally(*failures, *others))
        assert found == (
            Shared(field="id_subsistema", value="4", failures=37, of=37, others=0, others_of=200),
            Shared(field="lote", value="2026-17", failures=37, of=37, others=0, others_of=200),
        )

    def test_what_all_have_tells_nothing(self) -> None:
        assert told([LOT] * 5, [LOT] * 50) == {}

    def test_a_subsystem_that_is_half_of_the_load_tells_nothing(self) -> None:
        others = [{"id_subsistema": "4"}] * 20 + [{"id_subsistema": "5"}] * 20
        assert told([{"id_subsistema": "4"}] * 30, others) == {}

    def test_failures_of_many_tell_nothing(self) -> None:
        assert told([{"lote": str(n)} for n in range(30)], []) == {}

    def test_few_are_shared_by_chance(self) -> None:
        assert told([LOT] * 2, []) == {}
        assert told([LOT] * 3, []) == LOT

    def test_one_stray_of_another_kind_does_not_hide_it(self) -> None:
        assert told([LOT] * 19 + [{"lote": "otro", "id_subsistema": "5"}], [{"lote": "x"}] * 5) == LOT

    def test_failures_without_the_field_count(self) -> None:
        assert told([LOT] * 5 + [{}] * 5, []) == {}

    def test_nothing_to_compare_with_is_said(self) -> None:
        [one, _] = shared(tally(*[LOT] * 5), tally(*[LOT] * 5, {}))
        assert (one.others, one.others_of) == (0, 0)


class TestPersons:
    @pytest.mark.parametrize("name", ["curp", "curp_actual", "nombre", "rfc", "correo_personal", "token"])
    def test_their_fields_are_no_key(self, name: str) -> None:
        assert keys((name, "lote")) == ("lote",)
        with pytest.raises(ValueError, match="datum of a person"):
            LogsSettings(correlate=(name,))

    def test_a_datum_within_a_key_is_never_told(self) -> None:
        assert told([{"transaction_id": "t-XEXX990231HDFXXX09"}] * 9, []) == {}

    def test_values_that_are_no_words_are_left_out(self) -> None:
        record: dict[str, Any] = {"a": 4, "b": True, "c": None, "d": [1], "e": "", "f": "x" * 500}
        assert fields_of(record.items()) == {"a": 4, "f": "x" * 500}


def test_a_log_tells_which_lot_fails(tmp_path: Path) -> None:
    bad = [line(f"Rechazado {n}", age=n, id_subsistema=4, lote="L-9", curp="XEXX990231HDFXXX09") for n in range(1, 38)]
    good = [line("Procesado", age=n, level="INFO", id_subsistema=n % 3, lote="L-8") for n in range(1, 100)]
    (tmp_path / "a.log").write_text("\n".join((*bad, *good)) + "\n")
    [group] = logs(f"{tmp_path}/*.log").errors(SERVICE).groups
    assert {(one.field, one.value, one.failures, one.others) for one in group.shared} == {
        ("id_subsistema", "4", 37, 0),
        ("lote", "L-9", 37, 0),
    }
    assert "XEXX990231" not in repr(group)
