"""``check --watch``: the same rows again and again, until a person has seen enough."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from runbook.commands.driving import Watching
from runbook.commands.keys import heard
from runbook.errors import RunbookError
from runbook.model import Run, worst_of
from runbook.recording.files import Writer
from runbook.recording.watched import Watched
from runbook.rows import Row
from runbook.site import Site
from runbook.text import Text, text

#: The history keeps a look where a row changed its state, and one in so much time.
KEPT_EVERY = timedelta(minutes=1)

#: What ends a watch. SIGHUP is a connection that broke: the report is there when its reader is back.
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Less than this between the beginnings of two looks is a load, and nothing that anybody reads.
SHORTEST = timedelta(milliseconds=100)

Write = Callable[[Run], dict[str, Path]]


class Lookout(Watching):
    """Looks every so often and keeps every look. After a long one it rests as long, but no longer than the interval."""

    def __init__(self, site: Site, board: Any, chosen: tuple[Row, ...], *, every: timedelta, write: Write) -> None:
        super().__init__(site, board, chosen)
        self._every, self._write = max(every, SHORTEST), write
        self._record: Writer | None = None
        self._watched = Watched(text("The watch began: a look every {span}", span=self._every))
        self._over, self._guard = threading.Event(), threading.Lock()
        self._began = self._kept = 0.0
        self._at_work, self._asked_to_end = False, 0

    @contextmanager
    def on_record(self, file: Path | None) -> Iterator[None]:
        """Watch until a person ends it, with ``q`` or Ctrl-C; each look goes on record as it comes."""
        with ExitStack() as open_things:
            if file is not None:
                self._record = open_things.enter_context(Writer(file))
            open_things.enter_context(_signals_to(self))
            self._board.keys(open_things.enter_context(heard(self.hear)))
            yield

    def started(self, rows: tuple[str, ...]) -> None:
        """A look begins."""
        self._began = time.monotonic()
        super().started(rows)

    def finished(self, run: Run) -> None:
        """Keep a look; half of one says nothing where there are others."""
        if run.interrupted and len(self._watched):
            return
        self._at_work = True
        with self._guard:
            seen = self._watched.add(run, run.started_at)
            self.outcome = self._watched.whole()
        self._put_on_record(run, seen.look)
        self._keep(changed=bool(seen.changed))
        since = {record.row: self._watched.since(record) for record in run.records}
        values = {record.row: self._watched.values(record) for record in run.records}
        self._board.looked(run, values, since, looks=len(self._watched), next_in=self._pause())
        self._at_work = False

    def again(self) -> Site | None:
        """Wait until it is time for the next look; None where it is over."""
        try:
            ended = self._over.wait(self._pause().total_seconds())
        except KeyboardInterrupt:
            return None
        if ended:
            return None
        self.site = replace(self.site, began=time.monotonic())
        return self.site

    def hear(self, key: str) -> None:
        """``r`` writes the report as of now, ``q`` ends the watch."""
        if key in "rR":  # on a thread of its own: whoever presses q must not wait for it
            threading.Thread(target=self._report, name="report", daemon=True).start()
        elif key in "qQ":
            self._over.set()
            main = threading.main_thread().ident
            if main is not None:
                signal.pthread_kill(main, signal.SIGINT)

    def interrupted(self, number: int, frame: FrameType | None) -> None:
        """End at once where it waits; where it keeps a look, as soon as that is kept; at the third time anyhow."""
        self._over.set()
        self._asked_to_end += 1
        if self._asked_to_end > 2 or (self._asked_to_end == 1 and not self._at_work):
            raise KeyboardInterrupt

    def _pause(self) -> timedelta:
        """How long to wait: the rest of the interval, or as long as a look that took most of it, or all of it."""
        took = time.monotonic() - self._began
        return timedelta(seconds=max(self._every.total_seconds() - took, min(took, self._every.total_seconds()), 0.0))

    def _put_on_record(self, run: Run, look: Any) -> None:
        if self._record is None:
            return
        try:
            if len(self._watched) == 1:
                self._record.head(run)
            self._record.look(look)
        except RunbookError as error:
            self._record = None
            self._fail(error.said)

    def _keep(self, *, changed: bool) -> None:
        if self.outcome is None or not (changed or time.monotonic() - self._kept > KEPT_EVERY.total_seconds()):
            return
        self._kept = time.monotonic()
        try:
            self.site.history.keep(self.outcome, worst_of(self.outcome), None)
        except RunbookError as error:
            self._fail(error.said)

    def _report(self) -> None:
        with self._guard:
            run = self.outcome
        if run is None:
            self._board.note(text("There is nothing to report yet"))
            return
        self._board.note(text("Writing the report"))
        try:
            files = self._write(run)
        except RunbookError as error:
            self._fail(error.said)
        else:
            written = files.get("html") or next(iter(files.values()), None)
            if written is not None:
                self._board.note(text("Report written: {file}", file=written.name))

    def _fail(self, said: Text) -> None:
        self.failed = True
        self._board.note(said)


@contextmanager
def _signals_to(lookout: Lookout) -> Iterator[None]:
    before = {number: signal.signal(number, lookout.interrupted) for number in ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
