"""Wait until what was asked of a process manager is true, or will not become true. Reads only."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from runbook.errors import ActionError, ProbeError
from runbook.targets.workers.replicas import DOWN, GIVEN_UP, ProcessManager, Replica, Service
from runbook.text import text

T = TypeVar("T")

#: Seconds between two looks: the first, and the longest.
POLL, LONGEST_POLL = 0.1, 2.0
#: On top of what a replica's own settings allow.
GRACE = timedelta(seconds=10)
#: A replica that was started has to stay up for this long.
STEADY = timedelta(seconds=1)


@dataclass(frozen=True)
class Waiting:
    """Waits at most ``most`` plus a grace, and no longer than the replica may take. Raises ActionError when in vain."""

    target: str
    manager: ProcessManager
    most: timedelta

    def came_up(self, step: str, name: str) -> Replica:
        """The replica, once it runs, is well and has stayed up for a moment."""
        return self._replica(step, name, _steady, hopeless=GIVEN_UP)

    def went_down(self, step: str, name: str) -> Replica:
        """The replica, once it is down."""
        return self._replica(step, name, lambda replica: replica.state in DOWN, hopeless=())

    def has(self, step: str, service: str, to: int, *, without: Collection[str] = ()) -> Service:
        """The service, once exactly that many replicas are there and well; none of a life in ``without``."""

        def look() -> tuple[Service | None, str]:
            found = next((s for s in self.manager.services() if s.name == service), None)
            if found is None:
                return None, "absent"
            there = [r for r in self.manager.replicas() if r.service == service and r.state not in DOWN]
            gone = not any(r.life and r.life in without for r in there)
            done = found.wanted == found.running == len(there) == to and not found.rolling and gone
            said = "; ".join(filter(None, (found.problem, *(f"{r.name}: {r.problem}" for r in there if r.problem))))
            return (found if done else None), f"{found.running}/{found.wanted} {said}".strip()

        def failed(seen: str) -> ActionError:
            said = text(
                "{service} does not have {to} replicas that are well: {seen}", service=service, to=to, seen=seen
            )
            return ActionError(self.target, step, said)

        return self._until(service, look, failed, lambda _: False)

    def _replica(self, step: str, name: str, done: Callable[[Replica], bool], hopeless: Collection[str]) -> Replica:
        def look() -> tuple[Replica | None, str]:
            found = named(self.manager, name)
            self_said[:] = [found]
            return (found if found is not None and done(found) else None), "absent" if found is None else found.state

        def failed(state: str) -> ActionError:
            problem = self_said[0].problem if self_said and self_said[0] else ""
            return ActionError(
                self.target, step, text("{name} is {state}: {problem}", name=name, state=state, problem=problem)
            )

        self_said: list[Replica | None] = []
        return self._until(name, look, failed, lambda state: state in hopeless)

    def _until(
        self,
        name: str,
        look: Callable[[], tuple[T | None, str]],
        failed: Callable[[str], ActionError],
        hopeless: Callable[[str], bool],
    ) -> T:
        """One look that fails (a manager that restarts, a line that drops) does not end the wait."""
        ends = time.monotonic() + (min(self.most, self.manager.patience(name)) + GRACE).total_seconds()
        pause, unseen = POLL, None
        while True:
            try:
                found, seen = look()
                unseen = None
            except ProbeError as error:
                found, seen, unseen = None, "", error
            if found is not None:
                return found
            if hopeless(seen) or time.monotonic() > ends:
                raise unseen or failed(seen)
            time.sleep(pause)
            pause = min(pause * 1.3, LONGEST_POLL)


def named(manager: ProcessManager, name: str) -> Replica | None:
    """The replica of that name, as it is now."""
    return next((replica for replica in manager.replicas() if replica.name == name), None)


def _steady(replica: Replica) -> bool:
    return replica.well and (replica.since is None or replica.since >= STEADY)
