"""``transaction-forgotten``: a transaction stays open and idle; it blocks nobody and hinders every cleaning."""

from __future__ import annotations

from lab.incidents import database, program
from lab.incidents.breakage import Breakage, await_effect
from lab.incidents.truth import NONE, Truth
from lab.place import Place
from lab.services.analysis import ANALYSIS


def _apply(place: Place) -> None:
    program.start(place, ANALYSIS, "lab.services.analysis")
    await_effect("el análisis deje su transacción abierta", lambda: _is_broken(place))


def _heal(place: Place) -> None:
    program.end(place, ANALYSIS)
    database.end_sessions(place, ANALYSIS)


def _is_broken(place: Place) -> bool:
    return database.sessions(place, ANALYSIS, "idle in transaction") > 0


BREAKAGE = Breakage(
    name="transaction-forgotten",
    breaks="Un análisis manual deja una transacción abierta, sin candado que estorbe a otros.",
    expect="DB-05 incumplida; causa confirmada: una transacción olvidada (transaction_is_forgotten), y de quién es.",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    truth=Truth(
        "DB-05",
        frozenset({"transaction_is_forgotten"}),
        operations={"end_session": ANALYSIS},
        also={"DB-04": NONE, "DB-08": frozenset({"cleaning_is_hindered"})},
    ),
)
