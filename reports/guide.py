"""The runbook written back from its rows, in the form of the team's guide: docs/rows.md and docs/rows.es.md.

``muses-runbook coverage`` reads these pages as it reads the guide, and must find that they say what the rows say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from reports.language import Language
from reports.words import RISKS, section
from runbook.text import Quantity, Text, bilingual
from runbook.units import exact_size

if TYPE_CHECKING:
    from runbook.limits import Number, Threshold
    from runbook.rows import Row, Treatment

_TITLE = bilingual("The runbook, as its rows have it", "El runbook, como lo dicen sus renglones")
_MADE = bilingual(
    "Written by `muses-runbook docs` from the code; whoever changes a row runs it again. "
    "`muses-runbook coverage` reads this page, and your own guide, back.",
    "Lo escribe `muses-runbook docs` a partir del código; quien cambia un renglón lo vuelve a ejecutar. "
    "`muses-runbook coverage` vuelve a leer esta página, y la guía de ustedes.",
)
_MONITORING = bilingual("2. Monitoring and alerts", "2. Monitoreo y alertas")
_TROUBLE = bilingual("3. Troubleshooting guide", "3. Guía de troubleshooting")
_PROCEDURES = bilingual("4. Maintenance procedures", "4. Procedimientos de mantenimiento")
_DETAILS = bilingual("5. The rows in full", "5. Los renglones completos")
_METRICS = (
    bilingual("Key metric", "Métrica clave"),
    bilingual("Component", "Componente"),
    bilingual("Description", "Descripción"),
    bilingual("Warning", "Warning"),
    bilingual("Critical", "Critical"),
    bilingual("Row", "Renglón"),
)
_SYMPTOMS = (
    bilingual("Symptom", "Síntoma"),
    bilingual("Probable causes", "Causas probables"),
    bilingual("Resolution steps", "Pasos de resolución"),
    bilingual("Row", "Renglón"),
)
_ALERT = Text("Alert, it does not hold: {title}", spanish="Alerta, no se cumple: {title}")
_CHECK = Text(
    "Judge it and name the cause: `muses-runbook check {row}`",
    spanish="Juzgarlo y nombrar la causa: `muses-runbook check {row}`",
)
_FIX = Text(
    "Apply the remedy where policy allows ({risk}): `muses-runbook check {row} --fix`",
    spanish="Aplicar el remedio donde la política lo permite ({risk}): `muses-runbook check {row} --fix`",
)
_WATCHED = bilingual("watched by", "lo vigilan")
_SOURCE = bilingual("Source", "Fuente")
_NUMBERS = bilingual("Other numbers", "Otros números")
_JUDGES = bilingual("To judge it needs", "Para juzgar necesita")
_EXPLAINS = bilingual("To name the cause and plan, beside that", "Para nombrar la causa y planear, además")
_MENDS = bilingual("To mend it calls", "Para remediar llama a")
_NOTHING = bilingual("no right", "ningún derecho")
_CAUSES = bilingual("Causes", "Causas")
_REMEDY = bilingual("Remedy", "Remedio")
_SETTLES = Text("shows within {span}", spanish="se nota en {span}")
_PERSON = bilingual("A person decides", "Decide una persona")
_CODE = re.compile(r"(`+[^`]*`+)")


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A row and what it asks: the rights in words, and the names of operations."""

    row: Row
    to_judge: tuple[str, ...] = ()
    to_explain: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A procedure: its number in the guide, its command, the settings it keeps to and the rows that watch it."""

    number: str
    command: str
    words: Text
    settings: tuple[str, ...]
    rows: tuple[str, ...]


def page(rows: Sequence[Described], procedures: Sequence[Told], language: Language) -> str:
    """The whole page in one language; the same rows always give the same page."""
    return "\n".join(_Page(language).lines(sorted(rows, key=_place), procedures)) + "\n"


def _place(one: Described) -> tuple[str, str]:
    return one.row.section, one.row.id


class _Page:
    def __init__(self, language: Language) -> None:
        self._language = language

    def lines(self, rows: Sequence[Described], procedures: Sequence[Told]) -> Iterator[str]:
        yield f"# {self._say(_TITLE)}\n\n{self._say(_MADE)}"
        yield from self._monitoring(rows)
        yield from self._trouble(rows)
        yield f"\n## {self._say(_PROCEDURES)}"
        for procedure in procedures:
            yield from self._procedure(procedure)
        yield f"\n## {self._say(_DETAILS)}"
        for one in rows:
            yield from self._details(one)

    def _monitoring(self, rows: Sequence[Described]) -> Iterator[str]:
        yield f"\n## {self._say(_MONITORING)}"
        for name in dict.fromkeys(one.row.section for one in rows):
            yield f"\n### {self._say(section(name))}\n"
            yield from self._head(_METRICS)
            for row in (one.row for one in rows if one.row.section == name):
                limits = (self._limit(row.threshold, "warning"), self._limit(row.threshold, "critical"))
                component = ", ".join(row.targets)
                yield _cells(self._title(row), component, self._say(row.why), *limits, f"`{row.id}`")

    def _trouble(self, rows: Sequence[Described]) -> Iterator[str]:
        yield f"\n## {self._say(_TROUBLE)}\n"
        yield from self._head(_SYMPTOMS)
        for row in (one.row for one in rows):
            symptom = self._filled(_ALERT, title=self._title(row))
            causes = [self._say(cause.words) for cause in row.causes]
            yield _cells(symptom, _numbered(causes), _numbered(self._steps(row)), f"`{row.id}`")

    def _steps(self, row: Row) -> list[str]:
        fix = [self._filled(_FIX, row=row.id, risk=self._say(RISKS[row.treatment.risk]))] if row.treatment else []
        person = [f"{self._say(_PERSON)} (`{row.id}`): {self._say(row.person)}"] if row.person else []
        return [self._filled(_CHECK, row=row.id), *map(self._say, row.steps), *fix, *person]

    def _procedure(self, told: Told) -> Iterator[str]:
        yield f"\n### {f'{told.number} ' if told.number else ''}{_escaped(self._say(told.words))}"
        kept = ", ".join(f"`{setting}`" for setting in told.settings)
        watched = f"; {self._say(_WATCHED)} {', '.join(f'`{id}`' for id in told.rows)}" if told.rows else ""
        yield f"\n`muses-runbook run {told.command}`: {kept}{watched}."

    def _details(self, one: Described) -> Iterator[str]:
        row = one.row
        yield f"\n### {row.id} · {_escaped(self._title(row))}\n"
        if row.why:
            yield f"{_escaped(self._say(row.why))}\n"
        yield self._point(_SOURCE, row.source)
        if row.settings:
            numbers = (f"`{name}` {self._amount(value, '')}" for name, value in row.settings.items())
            yield self._point(_NUMBERS, ", ".join(numbers))
        yield self._point(_JUDGES, self._listed(one.to_judge))
        if one.to_explain:
            yield self._point(_EXPLAINS, self._listed(one.to_explain))
        if row.causes:
            yield self._point(_CAUSES, "; ".join(self._say(cause.words) for cause in row.causes))
        if row.treatment:
            yield self._point(_REMEDY, self._remedy(row.treatment))
            yield self._point(_MENDS, ", ".join(f"`{name}`" for name in one.operations))
        if row.person:
            yield self._point(_PERSON, self._say(row.person))

    def _remedy(self, treatment: Treatment) -> str:
        settles = self._filled(_SETTLES, span=self._language.duration(treatment.settles))
        return f"`{treatment.name}` ({self._say(RISKS[treatment.risk])}; {settles})"

    def _limit(self, threshold: Threshold | None, name: str) -> str:
        limit = getattr(threshold, name, None)
        if threshold is None or limit is None:
            return "—"
        return f"{'>' if threshold.direction == 'above' else '<'} {self._amount(limit, threshold.unit)}"

    def _amount(self, value: Number, unit: str) -> str:
        if isinstance(value, timedelta):
            return self._language.duration(value)
        if unit == "B":
            return exact_size(round(float(value)))
        return value if isinstance(value, str) else self._language.value(Quantity(float(value), unit))

    def _listed(self, needs: tuple[str, ...]) -> str:
        return "; ".join(needs) or self._say(_NOTHING)

    def _point(self, name: Text, said: str) -> str:
        return f"- **{self._say(name)}**: {_escaped(said)}"

    def _head(self, columns: tuple[Text, ...]) -> Iterator[str]:
        yield "| " + " | ".join(map(self._say, columns)) + " |"
        yield "|" + "---|" * len(columns)

    def _title(self, row: Row) -> str:
        return self._say(row.title).rstrip(".")

    def _filled(self, words: Text, **values: str) -> str:
        return self._say(msgspec.structs.replace(words, values=dict(values)))

    def _say(self, words: Text | None) -> str:
        return self._language.say(words)


def _numbered(parts: Sequence[str]) -> str:
    return " ".join(f"{number}. {part.rstrip('.')}." for number, part in enumerate(parts, start=1))


def _cells(*cells: str) -> str:
    return "| " + " | ".join(_escaped(cell).replace("|", "\\|") for cell in cells) + " |"


def _escaped(words: str) -> str:
    """Plain words for Markdown, what stands in backquotes left as it is."""
    parts = _CODE.split(" ".join(words.split()))
    return "".join(part if place % 2 else re.sub(r"([*_<\[\]])", r"\\\1", part) for place, part in enumerate(parts))
