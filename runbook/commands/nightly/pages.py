"""The pages of the nights: made of every environment's history, written here, published, and let go of when old."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from runbook import tongue
from runbook.commands.nightly.index import Past, index_of
from runbook.commands.nightly.keeping import could_remove
from runbook.delivery.publishing import INDEX, Folder, Published, open_place, publish
from runbook.errors import DeliveryError, SettingsError
from runbook.history import History
from runbook.history.nights import Night, Nights, expired
from runbook.settings import Settings
from runbook.site import history_file, reports_folder
from runbook.text import Text


class Pages(NamedTuple):
    """The index on this machine, what was published where, how many nights were let go of, and what went wrong."""

    page: Path
    where: str
    published: Published | None
    let_go: int
    error: Text | None


def nights_of(settings: Settings, environment: str) -> Nights:
    """The nights of one environment."""
    return Nights(history_file(settings), environment)


def write_pages(settings: Settings, names: Sequence[str], language: str | None) -> Pages:
    """Write the index of these environments, publish what is missing, and let go of old nights once that was done.

    Raises HistoryError, DeliveryError where the index cannot be written on this machine.
    """
    root, now = reports_folder(settings), datetime.now(UTC)
    pasts = [_past(settings, name) for name in names]
    old = {past.name: expired(past.nights, settings.site.nightly, now) for past in pasts}
    kept = [past._replace(nights=tuple(one for one in past.nights if one not in old[past.name])) for past in pasts]
    page = _rendered(settings, kept, language)
    for past in pasts:
        past.history.close()
    Folder(root, "site.reports").put(INDEX, page)
    there = {night.run for past in kept for night in past.nights if night.run and (root / night.run).is_dir()}
    gone = {night.run for nights in old.values() for night in nights if night.run}
    where, published, error = _published(settings, root, there, gone, page)
    let_go = sum(_let_go(settings, name, nights, root) for name, nights in old.items()) if error is None else 0
    return Pages(root / INDEX, where, published, let_go, error)


def _past(settings: Settings, name: str) -> Past:
    with closing(nights_of(settings, name)) as nights:
        return Past(name, History(history_file(settings), name), nights.all())


def _let_go(settings: Settings, name: str, nights: Sequence[Night], root: Path) -> int:
    """Remove old reports, and forget the nights whose reports are gone: the others are tried again."""
    gone = [night for night in nights if could_remove(night, root)]
    with closing(nights_of(settings, name)) as known:
        known.forget(gone)
    return len(gone)


def _rendered(settings: Settings, pasts: Sequence[Past], language: str | None) -> bytes:
    reports, pages = importlib.import_module("reports.language"), importlib.import_module("reports.nights")
    code = language or tongue.asked_for() or settings.site.language or tongue.spoken()
    index = index_of(settings, pasts, reports_folder(settings))
    page: bytes = pages.render(index, reports.Language(code, settings.site.timezone))
    return page


def _published(
    settings: Settings, root: Path, kept: set[str], gone: set[str], page: bytes
) -> tuple[str, Published | None, Text | None]:
    try:
        place = open_place(settings)
        return (place.where, publish(place, root, kept, gone, page), None) if place else ("", None, None)
    except (DeliveryError, SettingsError) as error:
        return settings.site.nightly.publish, None, error.said
