"""How a value is written into a unit, a crontab, a shell: what their readers would take apart is kept together."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta

from procedures.schedule.jobs import Job, Schedule
from runbook.slots import DAYS, Slot

_BARE = re.compile(r"[A-Za-z0-9/._:@,=+-]+")
_MINUTE = 60


def in_line(value: str) -> str:
    """A value that takes the rest of a unit's line: only ``%`` means something there."""
    return value.replace("%", "%%")


def word(value: str) -> str:
    """One of several values on a unit's line."""
    if _BARE.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{in_line(escaped)}"'


def exec_line(argv: tuple[str, ...]) -> str:
    """A command of a unit. systemd replaces ``$NAME`` in all words but the first, which it takes as it is."""
    program, *arguments = argv
    return " ".join((word(program), *(word(argument).replace("$", "$$") for argument in arguments)))


def calendar(slot: Slot) -> str:
    """As systemd's OnCalendar= has it, without the zone."""
    day = "" if slot.weekday is None else f"{DAYS[slot.weekday]} "
    return f"{day}*-*-* {slot.clock}:00"


def cron(slot: Slot) -> str:
    """The five fields of cron and Kubernetes, where 0 is Sunday."""
    day = "*" if slot.weekday is None else str((slot.weekday + 1) % 7)
    return f"{slot.minute} {slot.hour} * * {day}"


def cron_command(job: Job, schedule: Schedule) -> str:
    """The job for cron's shell: variables, lock, time; an unescaped ``%`` would end the command there."""
    variables = shlex.quote(str(schedule.settings.environment_file))
    lock = shlex.quote(str(schedule.state / f"{job.label}.lock"))
    nice = "nice -n 10 " if job.kind.gentle else ""
    line = (
        f"umask 077; if [ -r {variables} ]; then set -a; . {variables}; set +a; fi; "
        f"exec flock -n -E 75 {lock} {nice}timeout -k 300 {seconds(schedule.settings.longest)} "
        f"{shlex.join(job.argv)} --quiet"
    )
    return line.replace("%", "\\%")


def pod_command(argv: tuple[str, ...]) -> list[str]:
    """A container's command: Kubernetes fills ``$(NAME)`` in, and makes one ``$`` of two."""
    return [word.replace("$", "$$") for word in argv]


def seconds(span: timedelta) -> int:
    """Whole seconds."""
    return round(span.total_seconds())


def minutes(span: timedelta) -> int:
    """Whole minutes, begun ones counted: a jitter of seconds is one of a minute where there is nothing finer."""
    return -(-seconds(span) // _MINUTE)
