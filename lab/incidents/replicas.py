"""The replicas of the initial-processing service, in the hands of the lab's supervisor."""

from __future__ import annotations

from lab import supervision
from lab.incidents import queue
from lab.incidents.breakage import await_effect
from lab.place import Place
from lab.services import PROCESSING, PROGRAMS
from lab.topology import QUEUE

_STARTED = next(program.started for program in PROGRAMS if program.name == PROCESSING)
#: The replicas that run in a healthy lab, as the supervisor names them.
USUAL = tuple(f"{PROCESSING}:replica-{number:02d}" for number in range(1, _STARTED + 1))


def running(place: Place) -> tuple[str, ...]:
    """The replicas that run or are about to."""
    return tuple(
        process.label for process in supervision.processes(place) if process.group == PROCESSING and process.pid
    )


def stop(place: Place) -> None:
    """Stop all of them; returns when they have ended."""
    with supervision.calling(place) as supervisor:
        supervisor.supervisor.stopProcessGroup(PROCESSING)


def send(place: Place, signal: str) -> None:
    """Send each running one a signal."""
    with supervision.calling(place) as supervisor:
        supervisor.supervisor.signalProcessGroup(PROCESSING, signal)


def restore(place: Place) -> None:
    """As many as usual, all consuming, and nothing left from before in their queue; fresh ones where any hangs."""
    started = running(place)
    if queue.consumers(place) < len(started):
        stop(place)
    else:
        _stop_surplus(place, started)
    supervision.start(place, *USUAL)
    await_effect("las réplicas consuman", lambda: queue.consumers(place) == len(USUAL))
    queue.purge(place, QUEUE)


def renew(place: Place) -> None:
    """The usual replicas, all of them fresh: one that was told to hang may still be busy, and hang only later."""
    stop(place)
    restore(place)


def _stop_surplus(place: Place, started: tuple[str, ...]) -> None:
    with supervision.calling(place) as supervisor:
        for name in started:
            if name not in USUAL:
                supervisor.supervisor.stopProcess(name)
