"""``worker-stuck``: all replicas live and are connected, and none takes a message."""

from __future__ import annotations

from lab.incidents import queue, replicas
from lab.incidents.breakage import Breakage, await_effect
from lab.incidents.truth import NONE, Truth
from lab.place import Place
from lab.services import PROCESSING


def _apply(place: Place) -> None:
    replicas.send(place, "USR1")
    await_effect("las réplicas dejen de consumir", lambda: queue.consumers(place) == 0)


def _is_broken(place: Place) -> bool:
    return queue.consumers(place) < len(replicas.running(place))


BREAKAGE = Breakage(
    name="worker-stuck",
    breaks="Cuelga todas las réplicas: siguen vivas y conectadas a la cola y a la base, pero no consumen.",
    expect="QUEUE-01 incumplida; causa confirmada: el worker no consume (worker_is_not_consuming).",
    applied=_apply,
    healed=replicas.renew,
    shows=_is_broken,
    truth=Truth(
        "QUEUE-01",
        frozenset({"worker_is_not_consuming"}),
        operations={"restart": PROCESSING},
        also={"QUEUE-06": NONE, "QUEUE-07": NONE},
    ),
)
