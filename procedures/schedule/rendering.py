"""The files of a schedule, by name: for systemd, for cron, for Kubernetes. Pure: the same settings, the same bytes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from procedures.schedule import quoting
from procedures.schedule.jobs import Job, Schedule, folder_name, label
from runbook.errors import SettingsError
from runbook.targets.hosts.timers import JOBS, unit_name
from runbook.text import text

TEMPLATES = Path(__file__).with_name("templates")
#: Where each scheduler looks for its files; Kubernetes takes them from kubectl.
FOLDERS = {"systemd": Path("/etc/systemd/system"), "cron": Path("/etc/cron.d")}
MARK = "Rendered by muses-runbook schedule. Do not edit: change the site file and install again."
_HOMES = ("/home", "/root", "/run/user")
_SCRATCH = ("/tmp", "/var/tmp")  # noqa: S108 - names folders, opens nothing in them
_UNSTARTABLE = frozenset("\"'\\")
_SETTINGS_IN_POD = "/etc/muses-runbook/settings.toml"


def rendered(schedule: Schedule, form: str) -> dict[str, str]:
    """The files by name, for ``systemd``, ``cron`` or ``kubernetes``. Raises SettingsError for a missing setting."""
    return _FORMS[form](schedule)


def all_names(environment: str, form: str) -> tuple[str, ...]:
    """Every file that a schedule of the environment may have, whether its jobs are planned or not."""
    if form == "cron":
        return (_crontab_name(environment),)
    return tuple(f"{unit_name(environment, job)}.{kind}" for job in JOBS for kind in ("service", "timer"))


def _units(schedule: Schedule) -> dict[str, str]:
    _prove_startable(schedule)
    files = {}
    for job in schedule.jobs:
        files[f"{job.unit}.service"] = _service(schedule, job)
        files[f"{job.unit}.timer"] = _filled("job.timer.j2", schedule, job=job)
    return files


def _prove_startable(schedule: Schedule) -> None:
    program = schedule.needed[0]
    if set(str(program)) & _UNSTARTABLE:
        key = f"environments.{schedule.environment}.schedule.program"
        said = text("systemd starts no program with a quote or a backslash in its path: {program}", program=program)
        raise SettingsError(said, key=key)


def _service(schedule: Schedule, job: Job) -> str:
    return _filled(
        "job.service.j2",
        schedule,
        job=job,
        state_directory=folder_name(schedule.state),
        in_home=schedule.reaches(*_HOMES),
        in_tmp=schedule.reaches(*_SCRATCH),
    )


def _crontab(schedule: Schedule) -> dict[str, str]:
    if not schedule.jobs:
        return {}
    return {_crontab_name(schedule.environment): _filled("crontab.j2", schedule, jobs=schedule.jobs)}


def _crontab_name(environment: str) -> str:
    """cron passes over names with dots and other signs."""
    return label(environment, "schedule")


def _cronjobs(schedule: Schedule) -> dict[str, str]:
    if not schedule.settings.image:
        key = f"environments.{schedule.environment}.schedule.image"
        raise SettingsError(text("a CronJob needs the name of a container image with muses-runbook in it"), key=key)
    return {f"{job.label}.yaml": _cronjob(schedule, job) for job in schedule.jobs}


def _cronjob(schedule: Schedule, job: Job) -> str:
    program = str(schedule.settings.program or "muses-runbook")
    place = ("--settings", _SETTINGS_IN_POD, "--env", schedule.environment)
    return _filled(
        "cronjob.yaml.j2",
        schedule,
        job=job,
        command=quoting.pod_command((program, *job.kind.words, *place)),
        codes=sorted({*job.kind.final, *job.kind.answers}),
    )


def _filled(template: str, schedule: Schedule, **values: Any) -> str:
    environment = _environment()
    return environment.get_template(template).render(  # type: ignore[no-any-return]
        mark=MARK,
        environment=schedule.environment,
        zone=schedule.zone,
        settings=schedule.settings,
        writable=schedule.writable,
        cron_command=functools.partial(quoting.cron_command, schedule=schedule),
        **values,
    )


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - units, crontabs and YAML: each value is quoted by its own filter
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = (quoting.in_line, quoting.word, quoting.exec_line, quoting.calendar, quoting.cron)
    for one in (*filters, quoting.seconds, quoting.minutes):
        environment.filters[one.__name__] = one
    return environment


_FORMS: dict[str, Callable[[Schedule], dict[str, str]]] = {
    "systemd": _units,
    "cron": _crontab,
    "kubernetes": _cronjobs,
}
