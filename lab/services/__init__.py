"""The services of SEP-MUSES as real processes, kept by the lab's process manager.

Each replica runs ``python -m <module> --home HOME --replica NN`` and writes JSON log lines to its standard output.
"""

from __future__ import annotations

from dataclasses import dataclass

RECEPTION = "servicio-recepcion"
PROCESSING = "servicio-procesamiento-inicial"
CONSOLIDATION = "servicio-consolidacion"
SIGED = "siged"


@dataclass(frozen=True)
class Program:
    """One service: ``replicas`` are declared to the process manager, the first ``started`` of them run at once."""

    name: str
    module: str
    replicas: int
    started: int


#: In the order in which they start.
PROGRAMS = (
    Program(SIGED, "lab.services.siged", 1, 1),
    Program(CONSOLIDATION, "lab.services.consolidation", 1, 1),
    Program(PROCESSING, "lab.services.processing", 8, 2),
    Program(RECEPTION, "lab.services.reception", 1, 1),
)
