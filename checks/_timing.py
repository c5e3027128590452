"""Whether the jobs are begun by something, and when they last were. Pure, but for asking the timers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from checks._found import confirmed, fact
from runbook import clock
from runbook.errors import ProbeError
from runbook.limits import Limits, Threshold
from runbook.model import Evidence, Finding, State
from runbook.text import Text, text

if TYPE_CHECKING:
    from procedures.backup.facts import BackingUp, Backups, HostTimers
    from runbook.slots import Slot
    from runbook.targets.hosts.timers import Standing

#: The jobs of this section; the purge's is row STAGE-01's.
JOBS = ("backup", "restore-test")


def is_seen(planned: Mapping[str, Slot], limits: Limits) -> bool:
    """Whether there is anything to see of timers; says why not."""
    if not planned:
        limits.skip(text("The site file plans neither backup nor restore test (schedule.backup is empty)"))
    elif not limits.number("systemd"):
        limits.skip(text("Something else than systemd begins the jobs here: row BACKUP-01 sees whether it does"))
    else:
        return True
    return False


def judge(planned: Mapping[str, Slot], hosts: Sequence[HostTimers], limits: Limits) -> None:
    """Each planned job by the timer of the host that has it. Where none has it a silent host may."""
    blind = [host for host in hosts if host.problem is not None]
    for job, slot in planned.items():
        found = [(host.host, one) for host in hosts for one in host.standings if one.job == job and one.installed]
        if not found and blind:
            reason = {"host": blind[0].host, "problem": str(blind[0].problem)}
            limits.cannot_see(text("{host} cannot be read: {problem}", **reason))
        elif not found:
            said = text("No host has the timer of {job} ({slot})", job=job, slot=str(slot))
            limits.hold(State.WARNING, of=job, summary=said)
        for host, standing in found:
            _judge(host, standing, slot, limits)


def nothing_begun(backup: BackingUp, found: Backups) -> Finding:
    """Nothing lies there of a later backup: whoever should have begun it did not."""
    evidence = tuple(_evidence(backup))
    advice = (text("`muses-runbook schedule show` says what should be there, `schedule install` installs it"),)
    newest = found.newest_good
    if newest is None:
        return confirmed(text("No backup was ever begun here"), *evidence, advice=advice)
    said = text("Nothing has been begun since {at}: {folder}", at=newest.finished_at, folder=newest.folder)
    return confirmed(said, *evidence, advice=advice)


def _judge(host: str, standing: Standing, slot: Slot, limits: Limits) -> None:
    name = f"{host}: {standing.job}"
    if (wrong := _wrong(host, standing)) is not None:
        limits.hold(State.WARNING, of=f"{name} (timer)", summary=wrong)
    if standing.fired is None:
        limits.hold(State.OK, of=name, summary=_told(host, standing))
        return
    ago = clock.now() - standing.fired
    limits.judge(ago, of=name, summary=_told(host, standing), threshold=_threshold(slot, limits))


def _threshold(slot: Slot, limits: Limits) -> Threshold | None:
    if slot.weekday is None:
        return limits.threshold
    return Threshold(warning=limits.span("weekly_warning"), critical=limits.span("weekly_critical"))


def _wrong(host: str, standing: Standing) -> Text | None:
    known = {"host": host, "timer": standing.timer}
    if not standing.active:
        return text("{host}: {timer} is stopped: systemctl enable --now {timer}", **known)
    if not standing.enabled:
        return text("{host}: {timer} will be gone after a reboot: systemctl enable {timer}", **known)
    if standing.failed and not standing.running:
        return text(
            "{host}: the last run of {timer} ended badly: {result} ({code})",
            result=standing.result,
            code=standing.exit_code,
            **known,
        )
    if standing.stale:
        return text("{host}: the files of {timer} changed: systemctl daemon-reload", **known)
    return None


def _evidence(backup: BackingUp) -> Iterator[Evidence]:
    slot = backup.slots.get("backup")
    if slot is None:
        yield fact(text("The site file plans no backup (schedule.backup is empty)"), "schedule")
    else:
        yield fact(text("The site file plans the backup at {slot}", slot=str(slot)), "schedule")
        yield from _of_the_timers(backup)


def _of_the_timers(backup: BackingUp) -> Iterator[Evidence]:
    try:
        hosts = backup.timers()
    except ProbeError as error:  # no hosts are configured
        yield fact(error.said, "hosts")
        return
    for host in hosts:
        if host.problem is not None:
            yield fact(host.problem, host.host)
        for one in host.standings:
            if one.job == "backup":
                yield fact(_told(host.host, one), host.host)


def _told(host: str, one: Standing) -> Text:
    known = {"host": host, "timer": one.timer}
    if not one.installed:
        return text("{host}: {timer} is not installed", **known)
    if one.fired is None:
        return text("{host}: {timer} has not fired yet; next: {next}", next=one.next, **known)
    return text("{host}: {timer} fired {ago} ago", ago=clock.now() - one.fired, **known)
