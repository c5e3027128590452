"""What came of each drill, one JSON line each: a series can be stopped, gone on with and added to others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lab.drill.drawing import Drawn
from lab.drill.scoring import Score
from lab.errors import LabError


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One drill. ``fixed`` holds the breakages that policy let be fixed: breakage → what became of it.

    That is seconds until the proof, ``"cured"`` where the lab is well but something that nobody may fix hides it from
    the row, None where it is not fixed or not proven. ``fault`` says what the lab could not do; where it could not
    even be broken there is no score. ``mute`` is what ``check`` said instead of giving a run. ``seconds`` are those of
    each part.
    """

    series: str
    number: int
    broken: tuple[str, ...]
    policy: str
    at: datetime
    score: Score | None
    fixed: dict[str, float | str | None] = {}
    runs: int = 0
    seconds: dict[str, float] = {}
    fault: str = ""
    mute: str = ""

    @classmethod
    def of(cls, drawn: Drawn, score: Score | None, fixed: dict[str, float | str | None], **more: object) -> Result:
        """The result of a drill, made now."""
        told = {"series": drawn.series, "number": drawn.number, "broken": drawn.broken, "policy": drawn.policy}
        return msgspec.convert({**told, "at": datetime.now(UTC), "score": score, "fixed": fixed, **more}, cls)

    @property
    def named_right(self) -> bool:
        """Whether every cause was named and none that is wrong."""
        score = self.score
        return score is not None and not score.misnamed and all(at is not None for at in score.named.values())

    @property
    def perfect(self) -> bool:
        """Whether all went as it should."""
        score = self.score
        if score is None or self.fault or not self.named_right:
            return False
        return not (score.wrong or score.outside or self.mute) and all(self.fixed.values())


def append(file: Path, result: Result) -> None:
    """Add one line; what was killed halfway through a line begins a new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+") as lines:
        if lines.tell():
            lines.seek(-1, 2)
            if lines.read(1) != b"\n":
                lines.write(b"\n")
        lines.write(msgspec.json.encode(result) + b"\n")


def read(file: Path) -> tuple[Result, ...]:
    """The results of a file, the last of each drill; none where there is no file. A line that was cut off is none.

    Raises LabError for a line that is none of ours.
    """
    if not file.exists():
        return ()
    found: dict[tuple[str, int], Result] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        try:
            result = msgspec.json.decode(line, type=Result)
        except msgspec.ValidationError as error:
            raise LabError(f"{file}, línea {number}: no es un resultado de simulacro ({error})") from None
        except msgspec.DecodeError:  # the process was killed while it wrote
            continue
        found[result.series, result.number] = result
    return tuple(found.values())


def numbers(results: Iterable[Result], series: str) -> frozenset[int]:
    """The drills of a series that are done; one in which nothing ran is not."""
    return frozenset(each.number for each in results if each.series == series and each.score)
