"""When the jobs begin by themselves."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from runbook.settings.words import Size, Strict
from runbook.slots import Slot, parse_slot


class ScheduleSettings(Strict, frozen=True, kw_only=True):
    """When the jobs begin by themselves, in the site's zone: ``"03:30"`` daily, ``"Sun 04:30"`` weekly, ``""`` never.

    ``jitter`` spreads the starts of several hosts, the same delay each day. ``longest`` ends a job that hangs;
    ``catch_up`` is how late Kubernetes may still begin one. ``program`` is muses-runbook itself where it is not the one
    that renders; ``environment_file`` holds the variables that the secrets name. ``on_failure`` is a systemd unit that
    is started when a job failed for good, such as ``"notify@%n.service"``; ``image`` is the container of a CronJob.
    """

    backup: str = "03:30"
    purge: str = "Sun 04:30"
    check: str = "05:00"
    retention: str = "05:30"
    restore_test: str = "Sat 06:00"
    jitter: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=12)
    catch_up: timedelta = timedelta(hours=12)
    memory: Size = Size(2 * 1024**3)
    user: str = "muses-runbook"
    groups: tuple[str, ...] = ()
    program: Path | None = None
    environment_file: Path = Path("/etc/muses-runbook/environment")
    on_failure: str = ""
    image: str = ""

    def __post_init__(self) -> None:
        for name, slot in self._written().items():
            if slot:
                _as_slot(name, slot)
        for name in (self.user, *self.groups):
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
                raise ValueError(f"{name!r} is no name of a user or group")
        if not re.fullmatch(r"[A-Za-z0-9:_.@%\\-]*", self.on_failure):
            raise ValueError(f"on_failure {self.on_failure!r} is no name of a systemd unit")
        if re.search(r"\s", self.image):
            raise ValueError(f"image {self.image!r} is no name of an image")

    def slots(self) -> dict[str, Slot]:
        """The time of each job that is planned, by the job's name on the command line."""
        return {name: _as_slot(name, slot) for name, slot in self._written().items() if slot}

    def _written(self) -> dict[str, str]:
        jobs = {"backup": self.backup, "purge": self.purge, "check": self.check, "retention": self.retention}
        return {**jobs, "restore-test": self.restore_test}


def _as_slot(job: str, written: str) -> Slot:
    try:
        return parse_slot(written)
    except ValueError as error:
        raise ValueError(f"{job}: {error}") from None
