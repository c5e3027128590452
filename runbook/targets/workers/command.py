"""The site's own commands: one that lists the replicas, and those that start, stop and scale.

They are lists of a program and its arguments and are never read by a shell. What they print is text of somebody
else: bounded, decoded without fail, and a name that looks like an option is no name.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from typing import IO

import msgspec

from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.learnt import learnt
from runbook.redact import masked_text
from runbook.settings import WorkersSettings
from runbook.settings.workers import CommandSettings
from runbook.targets.network import unreachable
from runbook.targets.rights import Right
from runbook.targets.workers.replicas import Change, Named, Replica, Service, counted
from runbook.text import text

#: Bytes of a command's answer that are read.
LARGEST = 1024**2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/+=-]{0,200}")
_STATES = {
    "RUNNING": "RUNNING", "UP": "RUNNING", "ACTIVE": "RUNNING", "STARTING": "STARTING", "BACKOFF": "BACKOFF",
    "STOPPING": "STOPPING", "STOPPED": "STOPPED", "DOWN": "STOPPED", "INACTIVE": "STOPPED", "EXITED": "EXITED",
    "FATAL": "FATAL", "FAILED": "FATAL",
}  # fmt: skip


class Row(msgspec.Struct, frozen=True):
    """One replica as the site's command prints it in JSON; ``since`` in seconds."""

    service: str
    name: str
    state: str
    since: float | None = None
    pid: int | None = None
    healthy: bool | None = None
    host: str = ""
    problem: str = ""
    restarts: int | None = None


class Commands(Named):
    """The replicas as the site's commands tell and keep them."""

    def __init__(self, target: str, settings: WorkersSettings) -> None:
        self._target, self._most = target, settings.patience
        self._given: CommandSettings = settings.command  # type: ignore[assignment]

    def replicas(self) -> tuple[Replica, ...]:
        """What ``list`` prints: a JSON list of objects, or lines ``service name state [seconds]``. Reads only."""
        printed = self._run(self._given.list)
        rows = self._json(printed) if printed.lstrip().startswith("[") else self._lines(printed)
        for row in rows:
            if not _NAME.fullmatch(row.name):
                raise self._strange(f"name {row.name!r}")
        return tuple(map(_replica, rows))

    def services(self) -> tuple[Service, ...]:
        """The services by the replicas that are up. Reads only."""
        found = counted(self.replicas())
        if not self._given.scale:
            return found
        return tuple(msgspec.structs.replace(service, most=None, numbered=True) for service in found)

    def start(self, name: str) -> None:
        """Run the site's ``start``."""
        self._ask("start", self._given.start, name=name)

    def stop(self, name: str) -> None:
        """Run the site's ``stop``."""
        self._ask("stop", self._given.stop, name=name)

    def scale(self, service: Service, to: int) -> Change:
        """Run the site's ``scale``; where there is none, start and stop as many as that takes."""
        if not self._given.scale:
            return super().scale(service, to)
        self._ask("scale", self._given.scale, service=service.name, to=str(to))
        return Change()

    def replace(self, replica: Replica) -> None:
        """Stop it; whoever keeps the number brings another one. Where ``start`` is known it is started again."""
        self.stop(replica.name)
        if self._given.start:
            self.start(replica.name)

    def patience(self, name: str) -> timedelta:
        """The site's commands tell no time of their own."""
        return self._most

    def rights(self) -> tuple[Right, ...]:
        """Whether each command is there to be run; what it may do shows when it runs. Reads only."""
        import shutil

        given = {name: getattr(self._given, name) for name in ("list", "start", "stop", "scale")}
        return tuple(
            Right(
                what=text("the command {name} can be run: {program}", name=name, program=argv[0]),
                held=shutil.which(argv[0]) is not None,
                mend=f"chmod +x {argv[0]}",
                identity="reader" if name == "list" else "operator",
            )
            for name, argv in given.items()
            if argv
        )

    def _ask(self, step: str, argv: Sequence[str], **values: str) -> None:
        if not argv:
            said = text(
                "the site file has no command to {step}: set {setting}", step=step, setting=f"workers.command.{step}"
            )
            raise ActionError(self._target, step, said, refused=True)
        for value in values.values():
            if not _NAME.fullmatch(value):
                raise self._strange(f"name {value!r}")
        self._run([_filled(argument, values) for argument in argv])

    def _run(self, argv: Sequence[str]) -> str:
        """What the command prints. Its whole process group is ended at its deadline. Raises ProbeError."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as problems:
            code = self._ended(argv, out, problems)
            if code != 0:
                last = _head(problems).strip().rpartition("\n")[2]
                said = text(
                    "{program} ended with {code}: {reason}", program=argv[0], code=code, reason=masked_text(last)
                )
                raise ProbeError(self._target, ProbeFailure.BROKEN, said, code=str(code))
            return _head(out)

    def _ended(self, argv: Sequence[str], out: IO[bytes], problems: IO[bytes]) -> int:
        try:
            process = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=problems, start_new_session=True
            )
        except OSError as error:
            raise unreachable(self._target, argv[0], error) from error
        try:
            return process.wait(self._given.timeout.total_seconds())
        except subprocess.TimeoutExpired as error:
            raise unreachable(self._target, argv[0], TimeoutError()) from error
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _json(self, printed: str) -> list[Row]:
        try:
            return msgspec.json.decode(printed, type=learnt(list[Row]))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._strange(str(error)) from error

    def _lines(self, printed: str) -> list[Row]:
        """A command that prints nothing has told nothing: that is no empty list."""
        lines = [line.split() for line in printed.splitlines() if line.strip()]
        if not lines:
            raise self._strange("nothing")
        return [self._line(parts) for parts in lines]

    def _line(self, parts: list[str]) -> Row:
        if len(parts) not in (3, 4) or (len(parts) == 4 and not re.fullmatch(r"\d+(\.\d+)?", parts[3])):
            raise self._strange(" ".join(parts)[:80])
        service, name, state = parts[:3]
        return Row(service, name, state, since=float(parts[3]) if len(parts) == 4 else None)

    def _strange(self, seen: str) -> ProbeError:
        said = text(
            "{program} printed {seen}: neither JSON nor lines of service, name, state and seconds",
            program=self._given.list[0],
            seen=masked_text(seen),
        )
        return ProbeError(self._target, ProbeFailure.BROKEN, said)


def _replica(row: Row) -> Replica:
    state = _STATES.get(row.state.upper(), "UNKNOWN")
    return Replica(
        service=row.service,
        name=row.name,
        running=state == "RUNNING",
        state=state,
        since=None if row.since is None else timedelta(seconds=row.since),
        pid=row.pid,
        problem=row.problem,
        healthy=row.healthy,
        restarts=row.restarts,
        host=row.host,
        life="" if row.pid is None else str(row.pid),
        keeper="command",
    )


def _filled(argument: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        argument = argument.replace(f"{{{name}}}", value)
    return argument


def _head(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(LARGEST).decode(errors="replace")
