"""One line that Nagios and Icinga read: the state, what is open, and every value with its ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec
import pytest

from reports import nagios
from reports.language import Language
from runbook.model import Measure, Run, State, Verdict
from runbook.text import Quantity, text
from tests.reports import factory

ES = Language("es")
#: As the plugins' guidelines have it: 'label'=value[UOM];[warn];[crit];[min];[max], labels with quotes doubled.
DATUM = re.compile(r"(?:'((?:[^'=]|'')+)'|([^ '=]+))=(-?[0-9.]+)(s|%|B|c)?(?:;([^; ]*))?(?:;([^; ]*))?(?: |$)")


@dataclass(frozen=True)
class Line:
    state: str
    words: str
    data: dict[str, tuple[float, str, str, str]]


def parsed(content: bytes) -> Line:
    """The line taken apart as Nagios does: at the first bar, then datum by datum with nothing left over."""
    line = content.decode()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    words, bar, data = line.rstrip("\n").partition("|")
    assert bar
    data, found = data.strip(), {}
    while data:
        match = DATUM.match(data)
        assert match, data
        name = (match[1] or match[2]).replace("''", "'")
        assert name not in found
        found[name] = (float(match[3]), match[4] or "", match[5] or "", match[6] or "")
        data = data[match.end() :]
    state, _dash, said = words.removeprefix("MUSES ").partition(" - ")
    return Line(state, said.strip(), found)


def alerts(value: float, written: str) -> bool:
    """Whether a value alerts by a range of the plugins' guidelines."""
    low, colon, high = written.rpartition(":")
    least = float("-inf") if low == "~" else float(low or 0)
    most = float(high) if high else float("inf")
    return not (least <= value <= (float(written) if not colon else most))


def test_the_worst_is_told_first() -> None:
    line = parsed(nagios.render(factory.incident(), ES))
    assert line.state == "CRITICAL"
    assert line.words.startswith("1 falla crítica abierta, 1 advertencia abierta")
    assert line.words.index("BACKUP-01") < line.words.index("ETL-01") < line.words.index("HOST-01")
    assert "QUEUE-01" not in line.words  # fixed and proven


def test_values_come_with_ranges_that_mean_the_thresholds() -> None:
    run = factory.incident()
    data = parsed(nagios.render(run, ES)).data
    assert data["time"][:2] == (27.4, "s")
    assert data["BACKUP-01 s3://muses-respaldos/sep_muses/"] == (190_800.0, "s", "~:93600", "~:180000")
    value, unit, warning, critical = data["QUEUE-01 muses.recepcion"]
    assert (value, unit) == (-912.0, "")
    assert not alerts(value, warning)  # below zero is in order where more is worse
    for record in run.records:
        for measure in record.verdict.measures if record.verification is None else ():
            value, _unit, warning, critical = data[f"{record.row} {measure.object}"]
            state = State.CRITICAL if alerts(value, critical) else State.WARNING if alerts(value, warning) else State.OK
            assert state is measure.state


def with_measures(*measures: Measure) -> Run:
    """A run of one row that judged these."""
    record = factory.healthy("DB-01")
    verdict = Verdict(state=State.OK, summary=text("x"), measures=measures, judged_at=factory.at(1))
    return msgspec.structs.replace(
        factory.incident(), records=(msgspec.structs.replace(record, verdict=verdict),), interrupted=False
    )


def test_less_can_be_worse() -> None:
    run = with_measures(
        Measure(
            object="libre",
            value=Quantity(7, "%"),
            state=State.CRITICAL,
            warning=Quantity(20, "%"),
            critical=Quantity(10, "%"),
            direction="below",
        )
    )
    assert parsed(nagios.render(run, ES)).data["DB-01 libre"] == (7.0, "%", "20:", "10:")
    assert alerts(7, "10:")


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "words", None, True])
def test_what_is_no_number_is_no_datum(value: object) -> None:
    run = with_measures(Measure(object="x", value=value, state=State.OK))  # type: ignore[arg-type]
    assert list(parsed(nagios.render(run, ES)).data) == ["time"]


@pytest.mark.parametrize(("value", "written"), [(1e15, "1000000000000000"), (0.000004, "0.000004"), (-0.5, "-0.5")])
def test_numbers_have_no_exponent(value: float, written: str) -> None:
    run = with_measures(Measure(object="x", value=value, state=State.OK))
    assert f"'DB-01 x'={written};;" in nagios.render(run, ES).decode()


def test_hostile_words_stay_words_on_one_line() -> None:
    line = nagios.render(factory.hostile("a|b'c=d;e\nf<script>`id` $USER1$ 'x' | y=1"), ES).decode()
    assert not set("<>`$") & set(line)
    assert parsed(line.encode()).state == "CRITICAL"


def test_many_values_are_cut_at_a_whole_one() -> None:
    many = (Measure(object=f"tabla_{n:04}", value=n, state=State.OK) for n in range(3000))
    content = nagios.render(with_measures(*many), ES)
    assert 3900 < len(content) <= nagios.LARGEST + 1
    assert len(parsed(content).data) > 50


def test_a_run_that_was_stopped_is_unknown() -> None:
    run = msgspec.structs.replace(factory.incident(), interrupted=True)
    line = parsed(nagios.render(run, ES))
    assert line.state == "UNKNOWN"
    assert line.words.startswith("La corrida se detuvo antes de terminar")


def test_all_well() -> None:
    run = msgspec.structs.replace(factory.incident(), records=(factory.healthy("DB-01"), factory.healthy("ETL-02")))
    assert nagios.render(run, Language("en")).startswith(b"MUSES OK - All 2 checks are in order |")


def test_what_could_not_begin_is_unknown() -> None:
    assert nagios.unknown(text("no site file\nfound | x"), ES) == "MUSES UNKNOWN - no site file found ¦ x\n".encode()
