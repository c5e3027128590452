"""What every target has: a name, a reader's and an operator's identity, probes to read and operations to change."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from runbook import traces
from runbook.errors import ActionError, RunbookError
from runbook.model import Effect, Step
from runbook.targets.rights import Right
from runbook.traces import Trace

#: How long an operation may take unless it declares its own time.
DEADLINE = timedelta(minutes=10)


class Target:
    """One thing that is read and changed: a database, a broker, a store, the workers, the logs, the hosts.

    Constructing one connects to nothing. Probes (``@probe``) use the reader's identity and change nothing;
    operations (``@operation``) use the operator's and are reached only through :meth:`perform`.
    """

    name: str
    kind: ClassVar[str] = "target"

    def __init__(self, name: str) -> None:
        self.name = name

    def perform(self, step: Step) -> dict[str, Any]:
        """Do one step under the operator's identity and return what the target says after it (JSON values).

        The operation compares ``step.fingerprint`` with the target as it is now and raises ActionError with
        ``refused=True`` when it changed since the plan was made.
        """
        operation = self._operation(step)
        return operation(fingerprint=step.fingerprint, **step.arguments)

    def effect_of(self, step: Step) -> Effect:
        """What the step's operation declares to do; UNKNOWN for an operation the target does not have."""
        found = getattr(type(self), step.operation, None)
        return getattr(found, "__effect__", Effect.UNKNOWN)

    def deadline_of(self, step: Step) -> timedelta:
        """How long the step's operation may take: what does not come back in that time is left behind."""
        found = getattr(type(self), step.operation, None)
        return getattr(found, "__deadline__", DEADLINE)

    def trace_of(self, step: Step, since: datetime) -> Trace:
        """How far a step got that was begun at ``since`` by a run that was killed. Reads only, as the reader.

        Unknown by default: then nothing acts on the target until a person has looked. Raises ProbeError.
        """
        return traces.unknown()

    def chosen_in(self, step: Step) -> frozenset[str]:
        """The step's arguments that another hour would choose otherwise; none for an operation that is not there."""
        found = getattr(type(self), step.operation, None)
        return getattr(found, "__chosen__", frozenset())

    def interrupt(self) -> None:
        """Ask a running operation to end at its next safe point. Nothing by default: it ends by itself, soon."""

    def clock_skew(self) -> timedelta | None:
        """How far this machine's clock is off the target's; zero where the target keeps no clock that counts."""
        return timedelta(0)

    def rights(self) -> tuple[Right, ...]:
        """What our identities may do; nothing by default: not every target is a system of its own. Reads only."""
        return ()

    def close(self) -> None:
        """Let go of connections. Closing twice is harmless."""

    def _operation(self, step: Step) -> Callable[..., dict[str, Any]]:
        if self.effect_of(step) is Effect.UNKNOWN:
            raise ActionError(self.name, step.operation, "is no operation of this target", refused=True)
        bound: Callable[..., dict[str, Any]] = getattr(self, step.operation)
        return bound


def operation(
    effect: Effect, *, needs: str = "", deadline: timedelta = DEADLINE, chosen: frozenset[str] = frozenset()
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., dict[str, Any]]]:
    """Make a target's method an operation: a change with a declared effect, reached only through ``perform``.

    ``needs`` names the operator's rights that it cannot do without, in the words of ``runbook.grants.needs``.

    ``deadline`` is how long it may take; one that may take long must be safe to leave behind and should heed
    ``Target.interrupt``. Anything it raises that is not of the error tree is wrapped as ActionError.

    ``chosen`` names arguments that depend on the hour in which a remedy plans (how many, not which): an approved step
    keeps its own.
    """

    def declare(method: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        @functools.wraps(method)
        def act(self: Target, **arguments: Any) -> dict[str, Any]:
            try:
                return method(self, **arguments)
            except RunbookError:
                raise
            except Exception as error:
                raise ActionError(self.name, method.__name__, f"{type(error).__name__}: {error}") from error

        act.__effect__ = effect  # type: ignore[attr-defined]
        act.__needs__ = needs  # type: ignore[attr-defined]
        act.__deadline__ = deadline  # type: ignore[attr-defined]
        act.__chosen__ = chosen  # type: ignore[attr-defined]
        return act

    return declare
