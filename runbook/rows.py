"""How a row of the runbook is declared: ``@row``, its causes by ``@diagnoses``, its remedy by ``@remedies``.

The declaration *is* the documentation: the docstring's first line is the English title, its second paragraph
says why the row matters, ``es`` is the team's own Spanish.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runbook.errors import SettingsError
from runbook.limits import Number, Threshold
from runbook.model import Finding, Risk, Step
from runbook.text import Text, bilingual, text


class NoPlan(Exception):
    """Raised by a remedy that has a reason not to change anything; the reason is shown in the plan's place."""

    def __init__(self, reason: Text) -> None:
        self.reason = reason
        super().__init__(str(reason))


Findings = Mapping[str, Finding]
Check = Callable[..., None]
Diagnosis = Callable[..., Finding]
Remedy = Callable[..., Iterator[Step]]


@dataclass(frozen=True)
class Cause:
    """A probable cause: its diagnosis and its words in both languages."""

    name: str
    words: Text
    diagnosis: Diagnosis
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Treatment:
    """The remedy of a row: a generator of steps that describes and changes nothing."""

    name: str
    remedy: Remedy
    risk: Risk
    settles: timedelta
    targets: tuple[str, ...]


@dataclass
class Row:
    """One row of the runbook, as declared in ``checks/``."""

    id: str
    title: Text
    why: Text | None
    source: str
    section: str
    check: Check
    threshold: Threshold | None
    targets: tuple[str, ...]
    settings: Mapping[str, Number] = field(default_factory=dict)
    causes: list[Cause] = field(default_factory=list)
    treatment: Treatment | None = None
    person: Text | None = None
    steps: tuple[Text, ...] = ()

    def all_targets(self) -> tuple[str, ...]:
        """Names of every target the row, its causes or its remedy may ask, each once, in order of first use."""
        named = [self.targets, *(c.targets for c in self.causes)]
        if self.treatment:
            named.append(self.treatment.targets)
        return tuple(dict.fromkeys(name for names in named for name in names))


_registry: dict[str, Row] = {}
_SUPPLIED = frozenset({"limits", "findings"})


def row(
    id: str,
    *,
    source: str,
    es: str,
    threshold: Threshold | None = None,
    settings: Mapping[str, Number] | None = None,
    person: Text | None = None,
    steps: tuple[Text, ...] = (),
) -> Callable[[Check], Check]:
    """Declare a check as row ``id``.

    ``threshold`` is the warning and critical limit with the guide's numbers; ``settings`` are the row's other
    numbers (a window, a floor) with their defaults; both are overridden in ``[environments.X.limits.ID]``.
    ``person`` says what a person must decide where there is no remedy; ``steps`` are the steps of the written guide
    that the row carries out, in the guide's words. Raises ``ValueError`` for an id used twice.
    """

    def declare(check: Check) -> Check:
        if id in _registry and _place(_registry[id].check) != _place(check):
            raise ValueError(f"row {id} is declared twice: {check.__module__}.{check.__qualname__}")
        title, why = _docstring(check)
        declared = Row(
            id=id,
            title=bilingual(title, es),
            why=why,
            source=source,
            section=check.__module__.rpartition(".")[2],
            check=check,
            threshold=threshold,
            targets=_targets(check),
            settings=dict(settings or {}),
            person=person,
            steps=steps,
        )
        _registry[id] = declared
        check.__row__ = declared  # type: ignore[attr-defined]
        return check

    return declare


def diagnoses(check: Check, *, es: str) -> Callable[[Diagnosis], Diagnosis]:
    """Declare one probable cause of ``check``; the first docstring line is its English wording."""

    def declare(diagnosis: Diagnosis) -> Diagnosis:
        words, _ = _docstring(diagnosis)
        cause = Cause(diagnosis.__name__, bilingual(words.rstrip("."), es), diagnosis, _targets(diagnosis))
        of(check).causes.append(cause)
        return diagnosis

    return declare


def remedies(check: Check, *, risk: Risk, settles: timedelta) -> Callable[[Remedy], Remedy]:
    """Declare the remedy of ``check``. ``settles`` is how long its effect may take to show in the check."""

    def declare(remedy: Remedy) -> Remedy:
        of(check).treatment = Treatment(remedy.__name__, remedy, risk, settles, _targets(remedy))
        return remedy

    return declare


def of(check: Check) -> Row:
    """The row a check function declares. Raises ``ValueError`` where it declares none."""
    found = getattr(check, "__row__", None)
    if not isinstance(found, Row):
        raise ValueError(f"{check.__qualname__} is not a row: it lacks @row")
    return found


def declared() -> tuple[Row, ...]:
    """All rows of the modules imported so far, in the order of declaration."""
    return tuple(_registry.values())


def find(id: str) -> Row:
    """Look a row up by id, in any case. Raises SettingsError with the nearest id there is."""
    if id in _registry:
        return _registry[id]
    for known, found in _registry.items():
        if known.casefold() == id.casefold():
            return found
    nearest = difflib.get_close_matches(id.upper(), _registry, n=1, cutoff=0.4)
    raise SettingsError(f"no row {id!r}", nearest=nearest[0] if nearest else None)


def lost(module: str) -> Row:
    """A stand-in for the rows of a module that cannot be imported, so that they do not vanish from the report."""
    title = text("The rows of {module} cannot be read", module=module)
    return Row(module, title, None, "", "", lambda: None, None, ())


def _place(check: Check) -> tuple[str, str]:
    """Where a check is written: the same one may be imported twice, another one may not take its id."""
    return check.__code__.co_filename, check.__qualname__


def _targets(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(n for n in inspect.signature(function).parameters if n not in _SUPPLIED)


def _docstring(function: Callable[..., Any]) -> tuple[str, Text | None]:
    lines = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    if not lines[0]:
        raise ValueError(f"{function.__qualname__} needs a docstring: its first line is the title")
    title = " ".join(lines[0].split())
    why = " ".join(lines[1].split()) if len(lines) > 1 else ""
    return title, Text(why.replace("{", "{{").replace("}", "}}")) if why else None
