"""The comment in a ticket: the first screen, in every tracker's syntax, never longer than is read."""

from __future__ import annotations

import functools
import json

import msgspec
import pytest

import reports
from reports.language import Language
from reports.markdown import FLAVOURS, LARGEST_COMMENT
from runbook.errors import ReportError
from runbook.model import PlanNotice, Risk, Run
from runbook.text import verbatim
from tests.reports import factory

replace = msgspec.structs.replace
ES = Language("es")


def words(run: Run, flavour: str, code: str = "es") -> str:
    """A comment as it is read; escapes and marks are the flavour's own matter."""
    made = reports.comment(run, flavour, Language(code)).decode()
    if flavour != "adf":
        return made.replace("\\", "")
    return " ".join(_texts(json.loads(made)))


def _texts(node: dict[str, object]) -> list[str]:
    content = node.get("content", [])
    assert isinstance(content, list)
    return [str(node["text"])] if "text" in node else [said for child in content for said in _texts(child)]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_it_answers_what_since_when_why_what_was_done_and_what_is_left(flavour: str) -> None:
    said = words(factory.incident(), flavour)
    assert "1 falla crítica abierta, 1 advertencia abierta" in said
    assert said.index("BACKUP-01") < said.index("ETL-01") < said.index("HOST-01") < said.index("QUEUE-01")
    assert "desde hace 3 h" in said
    assert "El Servicio de Procesamiento Inicial está caído" in said
    assert "Iniciar servicio-procesamiento-inicial:replica-01 — hecho" in said
    assert "Sí: el renglón vuelve a cumplirse" in said
    assert "Preguntar quién detuvo las réplicas" in said
    assert "20261124T143105Z-7c1f" in said


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", ["incident", "hostile", "many", "huge", "empty"])
def test_it_is_never_longer_than_is_read(flavour: str, name: str) -> None:
    made = reports.comment(_runs()[name], flavour, ES).decode()
    assert len(made if flavour != "adf" else "".join(_texts(json.loads(made)))) <= LARGEST_COMMENT
    assert len(made) <= 32_767


def test_rows_that_have_no_room_are_counted() -> None:
    said = words(_runs()["many"], "github")
    assert "y 88 más" in said
    assert said.count("ROW-") == 12


def test_an_interrupted_run_and_a_waiting_plan_are_said() -> None:
    plan = PlanNotice(
        file="/tmp/plan.json",
        hash="ab" * 32,
        rows=("QUEUE-01",),
        steps=2,
        risk=Risk.MEDIUM,
        expires_at=factory.at(3600),
        commands=("muses-runbook approve /tmp/plan.json",),
        note=verbatim("x"),
    )
    said = words(replace(factory.incident(), interrupted=True, plan_file=plan), "gitlab")
    assert "se detuvo antes de terminar" in said
    assert "muses-runbook approve /tmp/plan.json" in said


def test_a_run_in_order_is_one_line_of_news() -> None:
    said = words(replace(factory.incident(), records=(factory.healthy("DB-01"),)), "jira", "en")
    assert "1 check is in order" in said
    assert "* " not in said.replace("*1*", "")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_personal_data_is_masked_again(flavour: str) -> None:
    assert "PEGJ850101HDFRRN09" not in words(factory.hostile("curp PEGJ850101HDFRRN09"), flavour)


def test_html_cannot_be_smuggled_into_a_journal() -> None:
    said = reports.comment(factory.hostile("[code]<b>x</b>[/code]"), "plain", ES).decode()
    assert "code]" in said
    assert "[code]" not in said
    assert "[/code]" not in said


def test_a_flavour_there_is_not_is_named() -> None:
    with pytest.raises(ReportError, match="No flavour wiki: there are github, gitlab, jira, adf, plain"):
        reports.comment(factory.incident(), "wiki", ES)


@functools.cache
def _runs() -> dict[str, Run]:
    incident = factory.incident()
    many = tuple(replace(factory.etl(), row=f"ROW-{n}") for n in range(100))
    return {
        "incident": incident,
        "hostile": factory.hostile(),
        "many": replace(incident, records=many),
        "huge": factory.hostile("w" * 5_000),
        "empty": replace(incident, records=(), events=(), readings=()),
    }
