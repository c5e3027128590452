"""A procedure on a terminal: bars with rows a second and the time left while it works, then what it did, by table.

Piped, it says nothing until the end, and then plain text.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from reports.clean import one_line
from reports.language import Language
from reports.picture import console
from reports.words import CHOICES, OUTCOMES
from runbook.model import Choice, Record, Run
from runbook.text import Text, per_second, text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: The rate shown is that of the last seconds, so that a pause shows.
_WINDOW = 10.0


class Moving(Protocol):
    """How far one table has come."""

    @property
    def name(self) -> str:
        """The table."""

    @property
    def expected(self) -> int:
        """Rows to go through."""

    @property
    def deleted(self) -> int:
        """Rows that went."""

    @property
    def changed(self) -> int:
        """Rows that stay, because they changed meanwhile."""

    @property
    def waiting(self) -> Text | None:
        """Why it waits just now."""


class ProcedureBoard:
    """Watches a procedure and shows it on ``stream``; a context manager, so that the cursor always comes back."""

    def __init__(self, language: Language, stream: TextIO, *, quiet: bool = False) -> None:
        self.language, self.quiet = language, quiet
        self._console = console(stream)
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._seen: deque[tuple[float, int]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bars away. Closing twice is harmless."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def looking(self) -> None:
        """What there is to do is being found out."""
        self._say(text("Looking …"))

    def surveyed(self, survey: object) -> None:
        """What there is to do is known: the bars say the rest."""

    def resumed(self, run: str) -> None:
        """An unfinished run is gone on with."""
        self._say(text("Going on with the unfinished run {run}, by its own cutoffs", run=run))

    def noticed(self, what: Text) -> None:
        """Something worth a line."""
        self._say(what)

    def progressed(self, tables: Iterable[Moving]) -> None:
        """Move the bars."""
        if self.quiet or not self._console.is_terminal:
            return
        if self._progress is None:
            self._progress = _bars(self._console)
            self._progress.start()
        moving = [table for table in tables if table.expected]
        rate = self._rate(sum(table.deleted + table.changed for table in moving))
        for table in moving:
            self._move(table, rate)

    def stepped(self, what: Text, total: int | None = None) -> None:
        """A step begins, of ``total`` bytes where that is known."""
        if self.quiet or not self._console.is_terminal:
            return
        self.close()
        self._progress = _bytes(self._console)
        self._progress.start()
        self._bars = {"": self._progress.add_task(one_line(self.language.say(what)), total=total)}

    def moved(self, done: int) -> None:
        """So many bytes of the step are done."""
        if self._progress is not None:
            self._progress.update(self._bars[""], completed=done)

    def finished(self, run: Run, files: Mapping[str, Path] | None) -> None:
        """What it would do, or did, table by table; and where its reports lie."""
        self.close()
        if self.quiet:
            return
        for record in run.records:
            self._tell(record, interrupted=run.interrupted)
        for path in (files or {}).values():
            self._console.print(f"  {path}", style="dim", soft_wrap=True)

    def _tell(self, record: Record, *, interrupted: bool) -> None:
        said = self.language.say
        self._console.print(one_line(said(record.title)), style="bold")
        self._line(said(record.verdict.summary))
        done = {action.step.arguments.get("table"): action for action in record.actions}
        for measure in record.verdict.measures:
            action = done.get(measure.object)
            if action is None:
                self._line(said(measure.summary) if measure.summary else measure.object, 2)
            else:
                how = self.language.say(OUTCOMES[action.outcome])
                self._line(f"{measure.object}: {how}. {said(action.result) if action.result else ''}", 2)
        shown = {measure.object for measure in record.verdict.measures}
        for action in record.actions:
            if action.step.arguments.get("table") not in shown:
                self._line(f"{said(OUTCOMES[action.outcome])}. {said(action.result or action.step.what)}", 2)
        if record.verification and record.verification.reason:
            self._line(said(record.verification.reason))
        for words in (record.person, text("Interrupted: the same command goes on") if interrupted else None):
            if words:
                self._console.print(one_line(said(words)), style="yellow")
        if record.decision and record.decision.choice is not Choice.ACT:
            self._line(f"{said(CHOICES[record.decision.choice])}: {said(record.decision.reason)}")

    def _line(self, words: str, indent: int = 0) -> None:
        self._console.print(" " * indent + one_line(words), soft_wrap=True)

    def _say(self, what: Text) -> None:
        if not self.quiet and self._console.is_terminal:
            self._console.print(one_line(self.language.say(what)), style="dim")

    def _move(self, table: Moving, rate: float) -> None:
        progress = self._progress
        if progress is None:
            return
        if table.name not in self._bars:
            self._bars[table.name] = progress.add_task(table.name, total=table.expected, note="")
        note = one_line(self.language.say(table.waiting)) if table.waiting else self._speed(table, rate)
        gone = table.deleted + table.changed
        progress.update(self._bars[table.name], completed=gone, total=max(table.expected, gone), note=note)

    def _speed(self, table: Moving, rate: float) -> str:
        working = 0 < table.deleted + table.changed < table.expected
        return self.language.value(per_second(round(rate))) if working and rate else ""

    def _rate(self, gone: int) -> float:
        """Rows a second, over the last seconds."""
        now = time.monotonic()
        self._seen.append((now, gone))
        while now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        return (gone - before) / (now - then) if now > then else 0.0


def _bytes(on: Any) -> Progress:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=on,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _bars(on: Any) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
        console=on,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
