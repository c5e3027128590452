"""Runs whose reports were kept, read back for the documents that are made of several."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runbook import placing
from runbook.errors import ReportError
from runbook.history import Judged, Kept
from runbook.model import Run, State
from runbook.site import Site
from runbook.text import text

#: So many runs are read for one document at most: an incident of a night has hundreds, and most say the same.
MOST = 200


def read(kept: Sequence[Kept], ids: Iterable[str]) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """The runs of these ids, oldest first, and the ids of those that cannot be read (any more), or are too many.

    Reads files only. Of too many the newest are read.
    """
    folders = {run.id: run.folder for run in kept}
    named = dict.fromkeys(ids)
    wanted = [run.id for run in kept if run.id in named] + [id for id in named if id not in folders]
    chosen = wanted[-MOST:]
    found = {id: run for id in chosen if (run := _read(folders.get(id, ""))) is not None}
    return tuple(sorted(found.values(), key=lambda run: run.started_at)), tuple(id for id in wanted if id not in found)


def _read(folder: str) -> Run | None:
    if not folder:
        return None
    try:
        run: Run = importlib.import_module("reports").read(Path(folder))
    except ReportError:
        return None
    return run


def changing(judged: Iterable[Judged], rows: Iterable[str]) -> set[str]:
    """The runs in which a row stood otherwise than before, or was mended: the others tell nothing new."""
    before: dict[str, State] = {}
    found, wanted = set(), set(rows)
    for one in judged:
        if one.row in wanted:
            if before.get(one.row) != one.final or one.state is not one.final:
                found.add(one.run)
            before[one.row] = one.final
    return found


def acting(site: Site, rows: Iterable[str], since: timedelta) -> set[str]:
    """The runs that tried a remedy of one of these rows. Raises HistoryError."""
    return {attempt.run for row in rows for attempt in site.history.ledger(row, (), since)}


def ago(moment: datetime) -> timedelta:
    """How long ago a moment is, as the history is asked."""
    return datetime.now(UTC) - moment


def write(folder: Path, files: Mapping[str, Callable[[], bytes]], *, replace: bool) -> tuple[Path, ...]:
    """Write each file whole or not at all; their paths. Makes the folder.

    Raises ReportError for one that is there already unless ``replace``: people may have completed it.
    """
    paths = {folder / name: content for name, content in files.items()}
    if there := [path for path in paths if path.exists() and not replace]:
        raise ReportError(
            text("{file} is there already, and may have been completed: --replace writes it anew", file=there[0])
        )
    made = {path: content() for path, content in paths.items()}
    for path, content in made.items():
        _put(path, content)
    return tuple(made)


def _put(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        placing.put(path, content)
    except OSError as error:
        why = error.strerror or error
        raise ReportError(text("{file} cannot be written: {error}", file=path, error=why)) from error
