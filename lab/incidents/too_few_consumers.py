"""``too-few-consumers``: more messages arrive than the healthy replicas can take."""

from __future__ import annotations

from lab.incidents import queue, replicas
from lab.incidents.breakage import Breakage
from lab.incidents.truth import Truth
from lab.place import Place
from lab.services import PROCESSING
from lab.services.reception import USUAL_RATE, ask_for, asked_rate

#: Messages a second: two replicas take some 78, three are enough.
RUSH, ENOUGH = 100.0, 3


def _apply(place: Place) -> None:
    ask_for(place, RUSH)


def _heal(place: Place) -> None:
    ask_for(place, USUAL_RATE)
    replicas.restore(place)


def _is_broken(place: Place) -> bool:
    return asked_rate(place) > USUAL_RATE


def _is_mended(place: Place) -> bool:
    return not _is_broken(place) or queue.consumers(place) >= ENOUGH


BREAKAGE = Breakage(
    name="too-few-consumers",
    breaks="La recepción publica 100 mensajes por segundo, más de lo que dos réplicas pueden tomar.",
    expect="QUEUE-01 incumplida; causa confirmada: faltan consumidores (too_few_consumers), y cuántos hacen falta.",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    mended=_is_mended,
    truth=Truth("QUEUE-01", frozenset({"too_few_consumers"}), operations={"scale": PROCESSING}),
)
