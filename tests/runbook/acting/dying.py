"""A process whose children act and are killed: ``python -m tests.runbook.acting.dying``. And the rows that they treat.

Each row stands for a remedy of the runbook: its check reads the real target, its steps are those that the runbook's own
rows make. What a child really did is noted outside of it, the moment the target says that it is done.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from checks import _index_building, _replicas, _restoring, _sessions
from checks.runs import check_acting_runs_came_to_their_end
from runbook.acting import milestones, performing
from runbook.engine import Engine
from runbook.history import History
from runbook.limits import Threshold
from runbook.model import Effect, Risk, Run, Step
from runbook.rows import Row, Treatment
from runbook.site import Site
from runbook.targets.base import Target
from runbook.targets.opening import open_target
from runbook.targets.s3 import leases
from runbook.targets.workers import waiting
from runbook.text import bilingual, text
from tests.procedures import killing
from tests.procedures.killing import Forking, error_of, forking, serve
from tests.procedures.purge.ground import decoded_settings, encoded_settings, site_of
from tests.runbook.fakes import Quiet

APPLICATION, INDEX, TABLE = "fuga", "ix_muses_tbae009_respuesta_uuid", "tbae009_respuesta"
#: What a child begins with that raised something.
RAISED = "raised "
#: Sessions that a healthy application has, of those that it opens.
KEPT = 2


class Remedy(NamedTuple):
    """A row: what is too much of what, and the steps against it."""

    target: str
    above: float
    measure: Callable[[Any], float]
    steps: Callable[[Any], Iterator[Step]]


def starts(folder: Path, service: str) -> Counter[str]:
    """How often each replica of a service was started, by its own word."""
    file = folder / f"{service}.starts"
    return Counter(file.read_text().split()) if file.exists() else Counter()


def _replicas_of(workers: Any, service: str) -> list[Any]:
    return [one for one in workers.replicas() if one.service == service]


def _leaked(database: Any) -> list[Any]:
    return sorted((s for s in database.sessions() if s.application == APPLICATION), key=lambda s: s.pid)


def _end(database: Any) -> Iterator[Step]:
    leaked = _leaked(database)
    return (_sessions.end(_sessions.handle(one), len(leaked)) for one in leaked[KEPT:])


def _build(database: Any) -> Iterator[Step]:
    made = {"table": TABLE, "columns": ["uuid"], "name": INDEX, "serves": []}
    yield _index_building.step({"arguments": made, "fingerprint": {}, "bytes": 8192})


def _analyse(database: Any) -> Iterator[Step]:
    (table,) = (one for one in database.tables() if one.table == TABLE)
    yield Step(
        what=text("Renew the planner's statistics of {table}", table=TABLE),
        target="database",
        operation="analyze",
        arguments={"table": TABLE},
        fingerprint=table.fingerprint,
        risk=Risk.LOW,
        effect=Effect.CHANGE,
    )


def _never_analysed(database: Any) -> float:
    return sum(one.table == TABLE and one.last_analyze is None for one in database.tables())


def _down(workers: Any) -> list[Any]:
    return [one for one in _replicas_of(workers, "caido") if not one.running]


def _start(workers: Any) -> Iterator[Step]:
    return (_restoring.start(_replicas.handle(one), 8) for one in _down(workers))


def _tired(service: str) -> Callable[[Any], list[Any]]:
    """The replicas that were started but once: those that a restart has not reached."""
    return lambda workers: [one for one in _replicas_of(workers, service) if _started(service)[one.name] < 2]


def _started(service: str) -> Counter[str]:
    return starts(Path(os.environ["MUSES_TEST_STARTS"]), service)


def _restart(workers: Any) -> Iterator[Step]:
    return (_restoring.restart(_replicas.handle(one), 8) for one in _tired("atorado")(workers))


def _roll(workers: Any) -> Iterator[Step]:
    yield _restoring.roll("viejo", {"running": len(_replicas_of(workers, "viejo"))}, 8)


def _few(workers: Any) -> float:
    return 2 - sum(one.running for one in _replicas_of(workers, "poco"))


def _scale(workers: Any) -> Iterator[Step]:
    yield _restoring.scale("poco", {"running": 1, "to": 2}, 8)


def _backups(backup: Any) -> float:
    return 0.0 if backup.backups().newest_good else 1.0


def _back_up(backup: Any) -> Iterator[Step]:
    return _procedure(backup, "backup", Effect.CHANGE)


def _purge(purge: Any) -> Iterator[Step]:
    return _procedure(purge, "purge", Effect.DESTROY)


def _procedure(target: Any, operation: str, effect: Effect) -> Iterator[Step]:
    what = text("The procedure {name}", name=operation)
    yield Step(what=what, target=operation, operation=operation, fingerprint=target.fingerprint(), effect=effect)


REMEDIES = {
    "end_session": Remedy("database", KEPT, lambda database: len(_leaked(database)), _end),
    "create_index": Remedy(
        "database", 0, lambda database: not any(one.name == INDEX for one in database.stored_indexes()), _build
    ),
    "analyze": Remedy("database", 0, _never_analysed, _analyse),
    "start": Remedy("workers", 0, lambda workers: len(_down(workers)), _start),
    "restart": Remedy("workers", 0, lambda workers: len(_tired("atorado")(workers)), _restart),
    "roll": Remedy("workers", 0, lambda workers: len(_tired("viejo")(workers)), _roll),
    "scale": Remedy("workers", 0, _few, _scale),
    "backup": Remedy("backup", 0, _backups, _back_up),
    "purge": Remedy("purge", 0, lambda purge: sum(table.qualifying for table in purge.due()), _purge),
}


def row_of(name: str) -> Row:
    """The row of a remedy."""
    remedy = REMEDIES[name]

    def check(limits: Any, **targets: Any) -> None:
        limits.judge(float(remedy.measure(targets[remedy.target])), of=name)

    def treat(findings: Any, **targets: Any) -> Iterator[Step]:
        return remedy.steps(targets[remedy.target])

    return Row(
        id=f"KILL-{name}",
        title=bilingual(f"Nothing is there for {name} to mend", f"No hay nada que {name} deba remediar"),
        why=text("It would not be there otherwise."),
        source="test",
        section="kills",
        check=_of(check, remedy.target, "limits"),
        threshold=Threshold(remedy.above, remedy.above + 100),
        targets=(remedy.target,),
        causes=[],
        treatment=Treatment(
            name, _of(treat, "findings", remedy.target), Risk.MEDIUM, timedelta(seconds=0.1), (remedy.target,)
        ),
    )


def site_at(settings: Any, home: Path, *, fixing: bool) -> Site:
    """One machine's site, with a history that is still there after a death."""
    site = site_of(settings, home)
    return dataclasses.replace(site, history=History(home / "history.sqlite", "lab"), fixing=fixing)


def run(site: Site, name: str, id: str) -> Run:
    """Judge the remedy's row, and what the runs before it left; treat where the site is fixing."""
    target, runs = open_target(REMEDIES[name].target, site), open_target("runs", site)
    engine = Engine(site, Quiet(), run=id)
    try:
        engine.begin(row_of(name), {target.name: target})
        engine.begin(check_acting_runs_came_to_their_end.__row__, {"runs": runs})
        engine.settle()
        if site.fixing:
            engine.treat()
        return engine.finish()
    finally:
        target.close()
        site.history.close()


class Order(killing.Order, frozen=True, kw_only=True):
    """One acting run. ``late``: long after the one before it, whose lease has run out."""

    remedy: str
    id: str
    late: bool = False


class Dying(Forking):
    """The process, as the tests see it: one acting run at a time."""

    def act(
        self, settings: Any, home: Path, remedy: str, id: str, *, at: str | None = None, late: bool = False
    ) -> str | None:
        """Have a child act; None where it was killed, else what it says of its row. What it raises fails the test."""
        words = msgspec.Raw(encoded_settings(settings))
        self.send(Order(settings=words, home=str(home), remedy=remedy, id=id, at=at, late=late))
        killed, said = self.gone()
        assert not said.startswith(RAISED), said
        return None if killed else said


@contextmanager
def dying_process(folder: Path) -> Iterator[Dying]:
    """The process, ready; ``folder`` is where the replicas note their starts."""
    with forking(Dying, __name__, MUSES_TEST_STARTS=str(folder)) as dying:
        yield dying


def quick(put: Callable[[Any, str, Any], None]) -> None:
    """One good look proves a fix, and a replica that runs is steady."""
    put(performing, "PASSES", 1)
    put(waiting, "STEADY", timedelta(0))


def _acted(words: bytes) -> str:
    order, told = msgspec.json.decode(words, type=Order), ["nothing"]

    def act() -> None:
        quick(setattr)
        if order.late:
            leases.LASTS = timedelta(seconds=-5)
        _note(Path(order.home) / "world")
        order.arm(milestones)
        site = site_at(decoded_settings(bytes(order.settings)), Path(order.home), fixing=True)
        record = run(site, order.remedy, order.id).records[0]
        told.append(f"{record.verdict.summary}; {record.decision}; {record.actions}")

    error = error_of(act)
    return told[-1] if error is None else f"{RAISED}{error}"


def _note(file: Path) -> None:
    """Write down what was done the moment it is: a line in one piece, whatever happens next."""
    perform = Target.perform

    def noting(self: Target, step: Step) -> dict[str, Any]:
        result = perform(self, step)
        line = f"{step.operation} {msgspec.json.encode(step.arguments, order='sorted').decode()}\n"
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, line.encode())
        os.close(handle)
        return result

    Target.perform = noting  # type: ignore[method-assign]


def _of(function: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """A function with these parameters, as rows have them."""
    inner: Mapping[str, Any] = {"function": function}
    words = ", ".join(names)
    passed = ", ".join(f"{name}={name}" for name in names)
    return eval(f"lambda {words}: function({passed})", dict(inner))


if __name__ == "__main__":
    killing.load()
    serve(_acted)
