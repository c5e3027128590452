"""One drill: break, let the runbook work, score it, heal."""

from __future__ import annotations

import json
import threading
import time
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.drill import health, site
from lab.drill.checking import Mute, check
from lab.drill.drawing import Drawn
from lab.drill.results import Result
from lab.drill.scoring import Run, Score, can_be_proven, score
from lab.errors import LabError
from lab.incidents import Breakage, together
from lab.place import Place

Fixed = dict[str, float | str | None]

#: How long the runbook is given, s; what is not named or fixed by then is not.
PATIENCE = 75.0


def play(place: Place, drawn: Drawn, stop: threading.Event) -> Result:
    """Play one drill on a running lab, which is healed whatever happens.

    What the lab itself cannot do (break, heal, answer) is the result's ``fault``; what runs did until then is scored
    all the same. Raises Stopped.
    """
    drill = _Drill(place, drawn, together.in_order(drawn.broken), stop)
    try:
        drill.play()
    except LabError as error:
        drill.fault = _told(error)
    result = drill.result()
    if not result.perfect:
        _keep(place, result, drill.runs)
    return result


def prepare(place: Place) -> None:
    """Heal what was broken before, by anybody, and wait until work flows. Raises LabError."""
    heal(place, together.in_order(health.broken(place)))


def heal(place: Place, broken: Sequence[Breakage]) -> None:
    """Heal in the order opposite to the breaking, and wait until work flows. Raises LabError."""
    for each in reversed(broken):
        each.heal(place)
    health.await_well(place)


class _Drill:
    """The course of one drill, and what is known of it by now."""

    def __init__(self, place: Place, drawn: Drawn, broken: Sequence[Breakage], stop: threading.Event) -> None:
        self.place, self.drawn, self.broken, self.stop = place, drawn, broken, stop
        self.runs: list[Run] = []
        self.score: Score | None = None
        self.fixed: Fixed = {}
        self.fault = self.mute = ""
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def play(self) -> None:
        """Break, work, heal. Raises LabError, Stopped."""
        prepare(self.place)
        file = site.write(self.place, self.drawn.policy)
        site.forget(self.place)
        self._part("ready")
        try:
            for each in self.broken:
                each.apply(self.place)
            self._part("break")
            self._work(file)
            self._part("work")
        finally:
            heal(self.place, self.broken)
            self._part("heal")

    def result(self) -> Result:
        """What came of it; no score where nothing ran."""
        told = {"runs": len(self.runs), "seconds": self.seconds, "fault": self.fault, "mute": self.mute}
        return Result.of(self.drawn, self.score, self.fixed, **told)

    def _work(self, file: Path) -> None:
        """Check and fix until everything was named, and fixed where it may be; or patience is over."""
        began, deadline = datetime.now(UTC), time.monotonic() + PATIENCE
        policy: dict[str, Any] = tomllib.loads(file.read_text())["environments"]["lab"]["policy"]
        while not self.mute:
            self._run(file)
            self.score = score(self.broken, self.runs, began, policy)
            self.fixed = self._fixed(self.score)
            settled = None not in (*self.score.named.values(), *self.fixed.values())
            if settled or time.monotonic() > deadline:
                return

    def _run(self, file: Path) -> None:
        try:
            self.runs.append(check(file, "--fix", stop=self.stop))
        except Mute as instead:
            self.mute = str(instead)

    def _fixed(self, found: Score) -> Fixed:
        """What policy lets be fixed, proven by the row and by the lab itself."""
        due = [each for each in self.broken if each.truth.fixed and self.drawn.policy == "act"]
        return {each.name: self._proof(each, found) if each.is_cured(self.place) else None for each in due}

    def _proof(self, cured: Breakage, found: Score) -> float | str | None:
        return found.proven[cured.name] if can_be_proven(cured, self.broken) else "cured"

    def _part(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name], self._since = round(now - self._since, 2), now


def _told(error: LabError) -> str:
    """What failed, and what had failed before where healing failed too."""
    first = error.__context__
    return f"{_told(first)}; {error}" if isinstance(first, LabError) else str(error)


def _keep(place: Place, result: Result, runs: Sequence[Run]) -> None:
    """What the runs of a drill said that did not go as it should: to find out why."""
    folder = place.home / "drill" / "kept"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result.series}-{result.number}.json").write_text(json.dumps(list(runs), ensure_ascii=False))
