"""Schedules made from a site file, as the commands make them."""

from __future__ import annotations

from pathlib import Path

from procedures.schedule.jobs import Schedule, schedule_of
from runbook import site_file
from runbook.settings import Settings

SITE = """
[site]
timezone = "{zone}"
{site}
[environments.{environment}]
[environments.{environment}.schedule]
{schedule}
"""


def settings_in(
    folder: Path, schedule: str = "", *, zone: str = "America/Mexico_City", environment: str = "prod", site: str = ""
) -> Settings:
    """The settings of a site file written for them."""
    file = folder / "muses-runbook.toml"
    file.write_text(SITE.format(zone=zone, site=site, environment=environment, schedule=schedule))
    return site_file.load(file, {})


def schedule_in(folder: Path, schedule: str = "", **more: str) -> Schedule:
    """The schedule of its only environment."""
    return schedule_of(settings_in(folder, schedule, **more))
