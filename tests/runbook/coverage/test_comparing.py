"""Guides against the real rows: the team's own in both languages, the page the rows write, and that page spoilt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from runbook.commands.catalogue import load_rows
from runbook.commands.docs import pages
from runbook.coverage.comparing import Coverage, Mapped, compare
from runbook.coverage.drifting import Numbers
from runbook.coverage.guide import read
from runbook.coverage.matching import Matcher
from runbook.coverage.procedures import procedures
from runbook.settings import BackupSettings, EnvironmentSettings, ScheduleSettings

DOCS = Path(__file__).parents[3] / "docs"
ROWS = tuple(row for row in load_rows() if row.check.__module__.startswith("checks."))  # not those of other tests
GUIDES = {"es": "guide.es.md", "en": "guide.md"}


@cache
def page(language: str) -> str:
    return pages(ROWS)[language]


def covered(source: str, settings: EnvironmentSettings | None = None) -> Coverage:
    numbers = {row.id: Numbers(row.threshold, row.settings) for row in ROWS}
    return compare(read(source), ROWS, numbers, procedures(settings))


def guide(language: str) -> str:
    return (DOCS / GUIDES[language]).read_text(encoding="utf-8")


def mapped(found: Coverage, words: str) -> Mapped:
    (one,) = (one for one in found.mapped if words in one.item.words)
    return one


@pytest.mark.parametrize("language", GUIDES)
def test_the_teams_guide_has_a_row_for_everything_and_no_other_numbers(language: str) -> None:
    found = covered(guide(language))
    assert [one.item.kind for one in found.mapped].count("cause") == 5
    assert [(one.item.line, one.item.words) for one in (*found.gaps, *found.drifted)] == []


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("Latencia del Proceso ETL", {"ETL-01"}),
        ("La cola de mensajes crece", {"QUEUE-01"}),
        ("La latencia del ETL está aumentando", {"ETL-02"}),
        ("El Servicio de Procesamiento Inicial está caído", {"QUEUE-01"}),
        ("Escalar los consumidores", {"QUEUE-01"}),
        ("asegurarse de que el worker esté activo", {"QUEUE-01", "HOST-02"}),
        ("Consultas lentas", {"ETL-02"}),
        ("Verificar índices", {"ETL-02", "INDEX-01", "INDEX-02", "INDEX-03", "INDEX-04", "INDEX-05"}),
    ],
)
def test_what_the_teams_words_stand_for(words: str, rows: set[str]) -> None:
    assert set(mapped(covered(guide("es")), words).rows) == rows


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("> 15 minutos", "> 20 minutos", "warning"),
        ("> 45 minutos", "> 1 hora", "critical"),
        ("> 45 minutos", "< 45 minutos", "critical"),
        ("> 15 minutos", "> 15 %", "warning"),
        ("> 15 minutos", "", "warning"),
        ("90 días", "60 días", "retention_days = 90"),
        ("03:30", "02:00", 'schedule.backup = "03:30"'),
        ("30 días", "4 semanas", 'backup.keep = "30 d"'),
        ("diario", "semanal", 'schedule.backup = "03:30"'),
        ("Cada semana", "Cada día", 'schedule.purge = "Sun 04:30"'),
    ],
)
def test_a_number_that_drifted(old: str, new: str, said: str) -> None:
    assert old in guide("es")
    (one,) = covered(guide("es").replace(old, new)).drifted
    assert said in str(one.drifts[0])


def test_a_sites_own_numbers_are_what_its_guide_must_say() -> None:
    settings = EnvironmentSettings(
        backup=BackupSettings(keep=timedelta(days=60)), schedule=ScheduleSettings(backup="02:00")
    )
    assert len(covered(guide("es"), settings).drifted[0].drifts) == 2
    assert covered(guide("es").replace("03:30", "02:00").replace("30 días", "60 días"), settings).drifted == ()


STRANGE = """\
Licencias de Oracle vencidas; Temperatura del centro de datos; Errores 500 del API gateway; Latencia de la red;
Tiempo de respuesta de RENAPO; Tamaño de la cola de impresión; Reiniciar el balanceador; Lectores de códigos de barras;
Número de usuarios conectados al portal; Response time of the web site; Free licences; Backup of the laptops;
Queue of the printer grows; Verificar la conexión a internet; Rotar las cámaras; Disponibilidad de la mesa de ayuda"""


@pytest.mark.parametrize("words", [words.strip() for words in STRANGE.split(";")])
def test_what_no_row_watches_has_no_row(words: str) -> None:
    source = f"| Métrica | Warning |\n|---|---|\n| {words} | > 1 s |\n"
    (one,) = covered(source).gaps
    assert one.item.words == words


def test_an_id_says_which_row_is_meant_and_an_unknown_one_is_told() -> None:
    source = "| Métrica | Warning |\n|---|---|\n| Cosas <!-- QUEUE-01 --> | > 60/min |\n| Otras (`QUEUE-99`) | |\n"
    known, unknown = covered(source).mapped
    assert (known.rows, known.drifts) == (("QUEUE-01",), ())
    assert [str(drift) for drift in unknown.drifts] == ["there is no row QUEUE-99"]


def test_another_pair_of_a_rows_limits_may_be_meant() -> None:
    source = "| Métrica | Warning | Critical |\n|---|---|---|\n| Profundidad `QUEUE-01` | > 25,000 | > {} |\n"
    assert covered(source.format("50,000")).drifted == ()
    assert len(covered(source.format("60,000")).drifted) == 1


def test_limits_of_a_row_that_judges_by_none() -> None:
    source = "| Métrica | Warning | Critical |\n|---|---|---|\n| Índices inválidos `INDEX-02` | > 3 | — |\n"
    (one,) = covered(source).drifted
    assert str(one.drifts[0]) == "warning: the text says > 3, the row has none"


@pytest.mark.parametrize("language", GUIDES)
class TestThePageThatTheRowsWrite:
    def test_it_says_what_the_rows_say(self, language: str) -> None:
        found = covered(page(language))
        assert (found.gaps, found.drifted, found.unwritten) == ((), (), ())

    def test_the_rows_that_are_left_out_are_missed(self, language: str) -> None:
        """A step or a procedure stands for rows that it does not name, too."""
        meant = {row for one in covered(page(language)).mapped for row in one.rows if row not in one.item.words}
        out = {row.id for row in ROWS[::2]} - meant
        assert len(out) > len(ROWS) / 4
        kept = [line for line in page(language).splitlines() if not out & set(re.findall(r"[A-Z]+-\d+", line))]
        assert out <= set(covered("\n".join(kept)).unwritten)

    def test_every_limit_that_is_changed_is_found(self, language: str) -> None:
        changed = dict(_changed(page(language)))
        assert sum(changed.values()) > len(ROWS)
        found = covered("\n".join(_spoilt(line) for line in page(language).splitlines()))
        assert {one.rows[0]: len(one.drifts) for one in found.drifted} == changed

    def test_without_ids_each_title_still_finds_its_own_row(self, language: str) -> None:
        matcher = Matcher(ROWS)
        titles = {row.id: str(row.title) if language == "en" else row.title.spanish or "" for row in ROWS}
        lost = [id for id, title in titles.items() if id not in matcher.titled(title)]
        shared = [id for id, title in titles.items() if len(matcher.titled(title)) > 1]
        assert lost == []
        assert len(shared) <= len(titles) // 20, shared


def _limits(line: str) -> tuple[list[str], list[int]]:
    """The cells of a row of the tables of metrics, and those of its limits that are set."""
    cells = re.split(r"(?<!\\)\|", line)
    return cells, [place for place in (4, 5) if len(cells) == 8 and re.search(r"\d", cells[place])]


def _changed(source: str) -> Iterator[tuple[str, int]]:
    """Each row that has limits, and how many."""
    for line in source.splitlines():
        cells, limits = _limits(line)
        if limits:
            yield cells[6].strip(" `"), len(limits)


def _spoilt(line: str) -> str:
    """The line with each limit more than half larger."""
    cells, limits = _limits(line)
    for place in limits:
        cells[place] = re.sub(
            r"\d[\d,.]*", lambda n: f"{float(n[0].replace(',', '')) * 1.5 + 1:g}", cells[place], count=1
        )
    return "|".join(cells)


def _more(number: re.Match[str]) -> str:
    return f"{float(number[0].replace(',', '')) * 1.5 + 1:g}"
