"""A small target and row that behave as a test tells them: the engine is tried on these first, then on real servers."""

from __future__ import annotations

import threading
import zoneinfo
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from runbook.errors import ActionError
from runbook.history import History
from runbook.limits import Threshold
from runbook.model import Effect, Environment, Finding, Proof, Risk, Step
from runbook.probes import probe
from runbook.rows import Cause, Row, Treatment
from runbook.settings import EnvironmentSettings, PolicySettings
from runbook.site import Site
from runbook.targets.base import Target, operation
from runbook.text import bilingual, text

ACTS = PolicySettings(low="act", medium="act", high="ask", cooldown=timedelta(0))


class Level(msgspec.Struct, frozen=True):
    """What the fake target reads."""

    name: str
    value: float


class Tank(Target):
    """A tank with a level: ``drain`` lowers it."""

    def __init__(self, level: float = 0, *, answers: bool = True) -> None:
        super().__init__("tank")
        self.current, self.answers = level, answers
        self.reads = 0
        self.drained = 0
        self.release = threading.Event()
        self.on_drain: Callable[[], None] = lambda: None

    @probe(needs="eyes", deadline=timedelta(seconds=0.3))
    def level(self) -> Level:
        self.reads += 1
        if not self.answers:
            self.release.wait(30)
        return Level("tank", self.current)

    @operation(Effect.CHANGE)
    def drain(self, *, fingerprint: dict[str, Any], to: float) -> dict[str, Any]:
        if fingerprint.get("level") != self.current:
            raise ActionError(self.name, "drain", "the level changed since the plan", refused=True)
        self.on_drain()
        self.current = to
        self.drained += 1
        return {"level": self.current}

    @operation(Effect.CHANGE)
    def explode(self, *, fingerprint: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("halfway")


def drain_step(tank: Tank, to: float = 0, **more: Any) -> Step:
    return Step(
        what=text("Drain the tank to {to}", to=to),
        target="tank",
        operation="drain",
        arguments={"to": to},
        fingerprint={"level": tank.current},
        effect=Effect.CHANGE,
        **more,
    )


def tank_row(
    *,
    id: str = "TANK-01",
    check: Callable[..., None] | None = None,
    proof: Proof = Proof.CONFIRMED,
    steps: Callable[[Tank], list[Step]] | None = None,
    settles: timedelta = timedelta(seconds=2),
) -> Row:
    """A row on the tank: warning above 10, critical above 20; its remedy drains."""

    def check_level(tank: Tank, limits: Any) -> None:
        limits.judge(tank.level().value, of="tank")

    def tap_is_open(tank: Tank) -> Finding:
        return Finding(proof=proof, summary=text("The tap is open"))

    def drain(findings: Any, tank: Tank) -> Any:
        yield from steps(tank) if steps else [drain_step(tank)]

    return Row(
        id=id,
        title=bilingual("The tank does not overflow", "El tanque no se desborda"),
        why=text("Water is everywhere."),
        source="test",
        section="tanks",
        check=check or check_level,
        threshold=Threshold(10, 20, unit="l"),
        targets=("tank",),
        causes=[Cause("tap_is_open", bilingual("The tap is open", "La llave está abierta"), tap_is_open, ("tank",))],
        treatment=Treatment("drain", drain, Risk.MEDIUM, settles, ("tank",)),
    )


class Quiet:
    """A listener that only remembers."""

    def __init__(self, answer: bool | None = None) -> None:
        self.said: list[str] = []
        self.answer = answer

    def started(self, rows: tuple[str, ...]) -> None:
        self.said.append(f"started {','.join(rows)}")

    def judged(self, record: Any) -> None:
        self.said.append(f"judged {record.row} {record.verdict.state}")

    def acting(self, step: Step) -> None:
        self.said.append(f"acting {step.operation}")

    def acted(self, action: Any) -> None:
        self.said.append(f"acted {action.outcome}")

    def verifying(self, row: str) -> None:
        self.said.append(f"verifying {row}")

    def ask(self, row: str) -> bool | None:
        self.said.append(f"ask {row}")
        return self.answer


def site_at(
    folder: Path, *, fixing: bool = True, policy: PolicySettings = ACTS, deadline: float = 5, **more: Any
) -> Site:
    settings = EnvironmentSettings(policy=policy, deadline=timedelta(seconds=deadline), **more)
    return Site(
        environment=Environment(site="test", name="test", timezone="America/Mexico_City", language="es"),
        settings=settings,
        zone=zoneinfo.ZoneInfo("America/Mexico_City"),
        history=History(folder / "history.sqlite", "test"),
        state_folder=folder,
        reports_folder=folder / "runs",
        fixing=fixing,
    )
