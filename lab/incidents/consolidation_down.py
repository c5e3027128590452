"""``consolidation-down``: the consolidation service does not run, and nothing leaves the exchange tables."""

from __future__ import annotations

from lab import supervision
from lab.incidents import database
from lab.incidents.breakage import Breakage, await_effect
from lab.incidents.truth import Truth
from lab.place import Place
from lab.services import CONSOLIDATION

_REPLICA = f"{CONSOLIDATION}:replica-01"


def _apply(place: Place) -> None:
    with supervision.calling(place) as supervisor:
        supervisor.supervisor.stopProcessGroup(CONSOLIDATION)


def _heal(place: Place) -> None:
    """Running is not enough: it comes back to the database first."""
    supervision.start(place, _REPLICA)
    await_effect("la consolidación vuelva a la base", lambda: database.sessions(place, f"{CONSOLIDATION}%") > 0)


def _is_broken(place: Place) -> bool:
    return not any(process.pid for process in supervision.processes(place) if process.group == CONSOLIDATION)


BREAKAGE = Breakage(
    name="consolidation-down",
    breaks="Detiene el Servicio de Consolidación: nada sale de las tablas de intercambio.",
    expect="ETL-01 incumplida; causa confirmada: la consolidación está caída (consolidation_is_not_working).",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    truth=Truth(
        "ETL-01",
        frozenset({"consolidation_is_not_working"}),
        operations={"start": CONSOLIDATION},
        also={"ETL-02": frozenset({"consolidation_is_not_working"})},
    ),
)
