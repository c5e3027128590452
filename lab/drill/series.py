"""A series of drills over one or more labs at once, its results kept as they come."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lab.drill import results
from lab.drill.checking import Stopped
from lab.drill.drawing import Drawn, Series
from lab.drill.playing import play
from lab.drill.results import Result
from lab.place import Place

#: Told of each result, how many there are by now, how many there will be, and of the seconds that the rest takes.
Say = Callable[[Result, int, int, float], None]


def play_all(places: Sequence[Place], series: Series, count: int, file: Path, say: Say) -> None:
    """Play the drills 0 to ``count`` of a series that are not in ``file`` yet, each on the lab that is free first.

    Results are appended as they come. An interrupt (KeyboardInterrupt goes on to the caller) lets every lab heal
    first. Raises LabError where a file or a breakage is not what it should be.
    """
    done = results.numbers(results.read(file), series.name)
    waiting = [series.drill(number) for number in range(count) if number not in done]
    team = _Team(waiting)
    threads = [threading.Thread(target=team.work, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    try:
        _collect(team, len(waiting), len(done), file, say)
    finally:
        team.stop.set()
        for thread in threads:
            _join(thread)


class _Team:
    """The labs' threads: they take drills until none is left or they are told to stop."""

    def __init__(self, drills: Iterable[Drawn]) -> None:
        self.stop = threading.Event()
        self.came: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
        self._left: queue.SimpleQueue[Drawn] = queue.SimpleQueue()
        for drill in drills:
            self._left.put(drill)

    def work(self, place: Place) -> None:
        """Play what is left on one lab. What goes wrong beyond the lab is handed over to who collects."""
        try:
            while not self.stop.is_set():
                self.came.put(play(place, self._left.get_nowait(), self.stop))
        except (queue.Empty, Stopped):
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where the results are collected
            self.came.put(error)


def _collect(team: _Team, count: int, before: int, file: Path, say: Say) -> None:
    started = time.monotonic()
    for number in range(1, count + 1):
        result = _next(team)
        if isinstance(result, BaseException):
            raise result
        results.append(file, result)
        each = (time.monotonic() - started) / number
        say(result, before + number, before + count, each * (count - number))


def _next(team: _Team) -> Result | BaseException:
    """In slices: a wait without end would not notice an interrupt on every system."""
    while True:
        try:
            return team.came.get(timeout=1)
        except queue.Empty:
            continue


def _join(thread: threading.Thread) -> None:
    """A second interrupt does not keep a lab from being healed."""
    while thread.is_alive():
        try:
            thread.join(1)
        except KeyboardInterrupt:
            continue
