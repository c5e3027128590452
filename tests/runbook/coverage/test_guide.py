"""A guide taken apart: its tables however they are drawn, its procedures however they are headed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.coverage.guide import Item, read

METRICS = """\
| Métrica clave | Componente | Descripción | Warning | Critical |
|---|---|---|---|---|
| Latencia | ETL | Tiempo | > 15 minutos | > 45 minutos |
"""


def items(source: str, kind: str) -> list[Item]:
    return [item for item in read(source).items if item.kind == kind]


def test_a_metric_with_its_line_and_limits() -> None:
    (metric,) = items(f"# Guía\n\n{METRICS}", "metric")
    assert (metric.words, metric.line, metric.more) == ("Latencia", 5, "Tiempo")
    assert (metric.warning, metric.critical) == ("> 15 minutos", "> 45 minutos")


@pytest.mark.parametrize(
    "table",
    [
        "Key metric | Warning | Critical\n:--|:-:|--:\nLatency | 1 s | 2 s",
        "| **Metric** | WARNING | Crítico |\n| --- | --- | --- |\n| Latency | 1 s | 2 s |",
        "| Indicador | Advertencia | Critical |\n|-|-|-|\n| **Latency**. | 1 s | 2 s |",
    ],
    ids=["no outer bars", "bold", "other words"],
)
def test_tables_are_drawn_in_many_ways(table: str) -> None:
    (metric,) = items(table, "metric")
    assert (metric.words, metric.warning, metric.critical) == ("Latency", "1 s", "2 s")


def test_a_table_without_columns_of_limits_says_none() -> None:
    (metric,) = items("| Métrica | Descripción |\n|---|---|\n| Latencia | Tiempo |", "metric")
    assert (metric.warning, metric.critical) == (None, None)


@pytest.mark.parametrize("row", ["| … | … | … |", "| ... |  |  |", "|  |  |  |", "| — | – | - |"])
def test_rows_that_say_nothing(row: str) -> None:
    assert items(f"| Métrica | Warning | Critical |\n|---|---|---|\n{row}", "metric") == []


def test_what_stands_in_a_code_block_is_an_example() -> None:
    assert read(f"```markdown\n{METRICS}```\n~~~\n{METRICS}~~~\n").items == ()


def test_a_bar_within_a_cell() -> None:
    (metric,) = items("| Métrica | Warning |\n|---|---|\n| a \\| b | 1 s |", "metric")
    assert (metric.words, metric.warning) == ("a | b", "1 s")


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("1. Está caído. 2. No hay conexión.", ["Está caído", "No hay conexión"]),
        ("1) Está caído 2) No hay conexión", ["Está caído", "No hay conexión"]),
        ("Está caído<br>No hay conexión", ["Está caído", "No hay conexión"]),
        ("Está caído", ["Está caído"]),
        ("1. Más de 3. veces en 10. días", ["Más de 3. veces en 10. días"]),
        ("1. Uno.2. Dos. 3. Tres", ["Uno", "Dos", "Tres"]),
        ("…", []),
    ],
)
def test_the_parts_of_a_cell(cell: str, parts: list[str]) -> None:
    source = f"| Síntoma | Causas probables | Pasos de resolución |\n|---|---|---|\n| Crece | {cell} | {cell} |"
    assert [item.words for item in items(source, "cause")] == parts
    assert [item.words for item in items(source, "step")] == parts
    assert {item.under for item in items(source, "cause")} <= {"Crece"}


PROCEDURES = {
    "headings": """## 4. Procedimientos

### 4.1 Purga

Cada semana,
90 días.

### 4.2 Respaldos

Diario.

## 5. Otro

### 5.1 No
""",
    "list": """## 4. Maintenance procedures
- 4.1 Purga. Cada semana,
  90 días.
- 4.2 Respaldos. Diario.

## Otro
- 5.1 No
""",
    "bold": """**4. Procedimientos de mantenimiento**
- 4.1 Purga. Cada semana, 90 días.
- 4.2 Respaldos. Diario.

## Otro
- 5.1 No
""",
}


@pytest.mark.parametrize("source", PROCEDURES.values(), ids=PROCEDURES.keys())
def test_procedures(source: str) -> None:
    purge, backup = items(source, "procedure")
    assert (purge.number, purge.words, purge.more) == ("4.1", "Purga", "Cada semana, 90 días")
    assert (backup.number, backup.words, backup.more) == ("4.2", "Respaldos", "Diario")


def test_a_table_of_another_form_is_told_of() -> None:
    guide = read(f"{METRICS}\ntext\n\n| Table | Key |\n|---|---|\n| a | b |\n")
    assert (len(guide.items), guide.other_tables) == (1, (7,))


@pytest.mark.parametrize("source", ["", "|", "|---|", "a|b\n-|", "# Procedimientos\n", "- 4.1", "**", "| |\n|-|\n| |"])
def test_nothing_is_no_error(source: str) -> None:
    assert read(source).items == ()


@given(st.text(alphabet=st.sampled_from("|-:#*`~\\\n 4.1aProcedimiento<br>Métrica…")))
def test_whatever_is_written_is_read(source: str) -> None:
    guide = read(source)
    assert all(1 <= item.line <= len(source.splitlines()) and item.words for item in guide.items)
