"""Which environments of which site files one command is about, and which of them cannot even be asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from runbook import site_file
from runbook.errors import SettingsError
from runbook.settings import Settings
from runbook.site import reports_folder
from runbook.text import Text, verbatim
from runbook.tongue import _, told


class Place(NamedTuple):
    """One environment to judge; ``error`` says why that cannot be, and then there may be no ``settings``."""

    site: str
    environment: str
    settings: Settings | None = None
    error: Text | None = None

    @property
    def deadline(self) -> timedelta:
        """The end of its run; none where the site file cannot be read."""
        environment = self.settings and self.settings.environments.get(self.environment)
        return environment.deadline if environment else timedelta(0)

    @property
    def reports(self) -> Path | None:
        """The folder that its runs are written into; None where the site file cannot be read."""
        return None if self.settings is None else reports_folder(self.settings)


def places(files: Iterable[Path | None], names: tuple[str, ...], *, every: bool) -> tuple[Place, ...]:
    """The environments named in each site file, all of them, or the site's own choice; each once.

    With one site file its mistakes are raised, as they are for one environment; with several, a file that cannot be
    read and an environment that is not there are places of their own, and hide no other. Raises SettingsError.
    """
    files = tuple(dict.fromkeys(files)) or (None,)
    names = tuple(dict.fromkeys(names))
    if len(files) == 1:
        return places_of(site_file.load(files[0]), names, every=every)
    return _told_apart([place for file in files for place in _whatever_is_there(file, names, every)])


def places_of(settings: Settings, names: tuple[str, ...], *, every: bool = False) -> tuple[Place, ...]:
    """The environments of one site, as :func:`places`. Raises SettingsError for one there is not."""
    wanted = tuple(settings.environments) if every else names or (None,)
    return tuple(Place(settings.site.name, settings.environment(name)[0], settings) for name in wanted)


def _whatever_is_there(file: Path | None, names: tuple[str, ...], every: bool) -> Iterator[Place]:
    site = file.stem if file else ""
    try:
        settings = site_file.load(file)
    except SettingsError as error:
        yield from (Place(site, name, error=_said(error)) for name in names or (_("(all)"),))
        return
    for name in [None] if every or not names else names:
        try:
            yield from places_of(settings, (name,) if name else (), every=every)
        except SettingsError as error:
            yield Place(settings.site.name, name or _("(all)"), settings, _said(error))


def _said(error: SettingsError) -> Text:
    return verbatim(error.place + told(error.said))


def _told_apart(places: list[Place]) -> tuple[Place, ...]:
    """The same places, those of sites of the same name told apart by their files."""
    sites = {(place.site, place.settings.file) for place in places if place.settings}
    shared = {name for name, count in Counter(name for name, _file in sites).items() if count > 1}
    return tuple(_with_file(place) if place.site in shared else place for place in places)


def _with_file(place: Place) -> Place:
    return place._replace(site=f"{place.site} ({place.settings.file})") if place.settings else place
