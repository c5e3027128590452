"""What a drill breaks and what policy holds: drawn from a seed, so that a series can be repeated, and gone on with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lab.errors import LabError
from lab.incidents import BREAKAGES, together

Broken = tuple[str, ...]

#: In so many drills of a hundred the policy lets nothing act: what is done then is outside it.
CLOSED = 10


@dataclass(frozen=True)
class Drawn:
    """The drill ``number`` of a series: what breaks, and the policy: the lab's own (``act``), ``ask`` or ``never``."""

    series: str
    number: int
    broken: Broken
    policy: str


@dataclass(frozen=True)
class Series:
    """All drills of a seed: one breakage each or two at once, of all or ``only`` with one of them."""

    seed: int
    pairs: bool = False
    only: str | None = None

    @property
    def name(self) -> str:
        """What tells its results from those of other series."""
        return f"{self.seed}{'-pares' if self.pairs else ''}{f'-{self.only}' if self.only else ''}"

    def choices(self) -> tuple[Broken, ...]:
        """Everything that may be drawn. Raises LabError where ``only`` is no breakage."""
        if self.only is not None and self.only not in BREAKAGES:
            raise LabError(f"no hay un incidente «{self.only}»; hay: {', '.join(BREAKAGES)}")
        every: Sequence[Broken] = together.pairs() if self.pairs else [(name,) for name in together.ORDER]
        return tuple(broken for broken in every if self.only is None or self.only in broken)

    def drill(self, number: int) -> Drawn:
        """The drill of that number. Every round goes through all choices, each round in another order."""
        turn, place = divmod(number, len(self.choices()))
        shuffled = list(self.choices())
        random.Random(f"{self.name}/{turn}").shuffle(shuffled)  # noqa: S311  # no secret hangs on it
        dice = random.Random(f"{self.name}/policy/{number}")  # noqa: S311
        policy = dice.choice(("ask", "never")) if dice.randrange(100) < CLOSED else "act"
        return Drawn(self.name, number, shuffled[place], policy)
