"""``worker-down``: no replica of the initial-processing service runs."""

from __future__ import annotations

from lab.incidents import replicas
from lab.incidents.breakage import Breakage
from lab.incidents.truth import NONE, Truth
from lab.place import Place
from lab.services import PROCESSING


def _is_broken(place: Place) -> bool:
    return not replicas.running(place)


BREAKAGE = Breakage(
    name="worker-down",
    breaks="Detiene todas las réplicas del Servicio de Procesamiento Inicial.",
    expect="QUEUE-01 incumplida; causa confirmada: el servicio está caído (initial_processing_is_down).",
    applied=replicas.stop,
    healed=replicas.restore,
    shows=_is_broken,
    truth=Truth(
        "QUEUE-01",
        frozenset({"initial_processing_is_down"}),
        operations={"start": PROCESSING},
        also={"QUEUE-06": NONE, "QUEUE-07": NONE},
    ),
)
