"""A person mends the lab: what was broken is not said until the lab is well again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.drill import health, site
from lab.drill.checking import check
from lab.drill.drawing import Drawn
from lab.drill.playing import heal, prepare
from lab.drill.scoring import Run
from lab.incidents import Breakage, together
from lab.place import Place

#: Between two looks of the board, s.
EVERY = 5.0

Say = Callable[[str], None]


def lead(place: Place, drawn: Drawn, say: Say) -> float:
    """Break, show the board, stop the clock when the lab is well, then tell. Returns the seconds it took.

    An interrupt is giving up: the lab is healed and what was broken is told.
    """
    broken = together.in_order(drawn.broken)
    prepare(place)
    file = site.write(place, "act")
    site.forget(place)
    for each in broken:
        each.apply(place)
    say(f"Algo se ha roto. Corríjalo con «muses-runbook … --settings {file}» o a mano; Ctrl-C es rendirse.")
    started = time.monotonic()
    try:
        _watch(place, file, broken, started, say)
        say(f"El laboratorio está sano: {time.monotonic() - started:.0f} s.")
    except KeyboardInterrupt:
        say(f"Se rindió a los {time.monotonic() - started:.0f} s.")
    finally:
        took = time.monotonic() - started
        heal(place, broken)
        for each in broken:
            say(f"Era {each.name}: {each.breaks}\n«check» debía decir: {each.expect}")
    return took


def _watch(place: Place, file: Path, broken: Sequence[Breakage], started: float, say: Say) -> None:
    while not _is_over(place, broken):
        run = check(file, stop=threading.Event())
        say(f"{time.monotonic() - started:4.0f} s  {'; '.join(_board(run)) or 'todavía no se nota'}")
        _pause(place, broken)


def _pause(place: Place, broken: Sequence[Breakage]) -> None:
    """Until the next look, or the lab is well: the clock must not run on."""
    end = time.monotonic() + EVERY
    while time.monotonic() < end and not _is_over(place, broken):
        time.sleep(0.5)


def _is_over(place: Place, broken: Sequence[Breakage]) -> bool:
    return all(each.is_cured(place) for each in broken) and health.flows(place)


def _board(run: Run) -> Iterator[str]:
    """The rows that are not well, worst as they come, with what each says in Spanish where it has its own words."""
    for record in run["records"]:
        if (state := record["verdict"]["state"]) not in ("OK", "SKIPPED"):
            yield f"{record['row']} {state} {record['title']['spanish'] or record['title']['template']}"
