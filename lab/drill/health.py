"""Whether the lab is well, asked of the lab itself and not of the runbook."""

from __future__ import annotations

from typing import LiteralString

from lab.incidents import BREAKAGES, database, queue, replicas
from lab.incidents.breakage import await_effect
from lab.place import Place
from lab.topology import DEAD_LETTERS, QUEUE

#: What a healthy lab stays under: messages that wait, and seconds that a record takes or has waited.
MESSAGES, LATENCY = 40, 3
#: The runbook looks so far back at finished records here (``lab.drill.site``).
_WINDOW = "5 seconds"
_PATIENCE = 180.0
#: Each look opens connections of its own: few, or the broker's churn is an alarm.
_POLL = 0.3

_SLOWEST: LiteralString = f"""
SELECT ceil(greatest(
    (SELECT extract(epoch FROM localtimestamp - min(fecha_actualizacion)) FROM tbae001_inscripcion
     WHERE id_estatus_procesamiento IN (1, 2)),
    (SELECT extract(epoch FROM avg(fecha_respuesta - fecha_actualizacion))
     FROM (SELECT uuid, fecha_respuesta FROM tbae009_respuesta ORDER BY id_respuesta DESC LIMIT 2000) AS answer
     JOIN tbae001_inscripcion USING (uuid)
     WHERE fecha_respuesta > localtimestamp - interval '{_WINDOW}')))"""


def flows(place: Place) -> bool:
    """Whether all replicas that run consume, nothing waits for long and nothing was rejected."""
    consumers = queue.consumers(place)
    if not consumers or consumers != len(replicas.running(place)) or _slowest(place) > LATENCY:
        return False
    told = queue.told(place)  # a second late, and what the runbook reads
    return told[QUEUE] < MESSAGES and not told[DEAD_LETTERS]


def is_well(place: Place) -> bool:
    """Whether work flows through as many replicas as usual."""
    return replicas.running(place) == replicas.USUAL and flows(place)


def await_well(place: Place) -> None:
    """Wait until work flows. Raises LabError where it does not within three minutes."""
    await_effect("el laboratorio vuelva a estar sano", lambda: is_well(place), _PATIENCE, _POLL)


def broken(place: Place) -> tuple[str, ...]:
    """What is broken. Raises LabError where a server does not answer."""
    return tuple(name for name, breakage in BREAKAGES.items() if breakage.is_broken(place))


def _slowest(place: Place) -> int:
    return database.number(place, _SLOWEST)
