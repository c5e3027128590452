"""A watch on a terminal: the rows, their values, sparklines, causes and timers, in place, worst first.

Where nothing can be drawn in place (a pipe, a dumb terminal) it is told in lines: whatever changed, and once a minute
how many rows stand how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from reports import picture
from reports.clean import label, one_line
from reports.language import Language
from reports.picture import WIDEST, Picture
from reports.view import view
from reports.watch_lines import PLAIN_RAMP, RAMP, RowSeen, counted, cut, in_order, lines, plain, seen
from runbook.model import Environment, Record, Run
from runbook.text import Text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

#: How often a printing terminal is told that the watch goes on, and how long a note stays on the board.
HEARTBEAT, NOTED = timedelta(minutes=1), timedelta(seconds=20)

Values = Mapping[str, Sequence[tuple[datetime, float]]]
Since = Mapping[str, datetime | None]


class WatchBoard:
    """Listens to a watch and shows it on ``stream``; a context manager, so that the terminal is always as it was.

    ``quiet`` shows nothing until the end.
    """

    def __init__(self, language: Language, stream: TextIO, environment: Environment, *, quiet: bool = False) -> None:
        self.language, self.quiet, self._environment = language, quiet, environment
        self._stream, self._console = stream, _console(stream)
        self._ramp = RAMP if self._console.encoding.startswith("utf") else PLAIN_RAMP
        self._live: Live | None = None
        self._began = self._told = datetime.now(UTC)
        self._rows: tuple[RowSeen, ...] = ()
        self._looks, self._next, self._keys, self._judging = 0, self._began, False, 0
        self._note, self._noted = "", self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back. Closing twice is harmless."""
        live, self._live = self._live, None
        if live is not None:
            with self._while_connected():
                live.stop()

    def keys(self, heard: bool) -> None:
        """Whether somebody can press keys."""
        self._keys = heard

    def started(self, rows: tuple[str, ...]) -> None:
        """A look begins."""
        self._judging = len(rows)
        if self._live is None and self._is_drawn and not self.quiet:
            with self._while_connected():
                self._go_live()

    def judged(self, record: Record) -> None:
        """A row is judged: the board changes when all are."""

    def looked(self, run: Run, values: Values, since: Since, *, looks: int, next_in: timedelta) -> None:
        """A look is over: these are its verdicts, each row's values so far, and since when it is broken."""
        records = {record.row: record for record in run.records}
        before = {row.row: row for row in self._rows}
        self._rows = tuple(seen(records[row], values[row], since[row], self.language) for row in in_order(run.records))
        self._looks, self._next, self._judging = looks, datetime.now(UTC) + next_in, 0
        with self._while_connected():
            self._show(partial(self._tell, before))

    def note(self, words: Text) -> None:
        """Say something beside the rows; it stays for a while."""
        self._note, self._noted = one_line(self.language.say(words)), datetime.now(UTC)
        with self._while_connected():
            self._show(partial(self._print, self._note))

    def finished(self, run: Run, files: Mapping[str, Path] | None = None) -> None:
        """The watch is over: the final picture, and where its reports lie."""
        self.close()
        final = Picture(picture.console(self._stream), self.language)
        with self._while_connected():
            final.run(view(run, self.language), files or {}, quiet=self.quiet)

    def _show(self, print_it: Callable[[], None]) -> None:
        """Draw the board anew, or print what is new."""
        if self._live is not None:
            self._live.refresh()
        elif not self.quiet:
            print_it()

    @contextmanager
    def _while_connected(self) -> Iterator[None]:
        """A connection that breaks takes the board away, not the watch: its report is still to be written."""
        try:
            yield
        except OSError:
            self.quiet, self._live = True, None

    @property
    def _is_drawn(self) -> bool:
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def _go_live(self) -> None:
        from rich.live import Live

        self._live = Live(
            console=self._console,
            get_renderable=self._drawn,
            screen=True,
            refresh_per_second=1,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _drawn(self) -> RenderableType:
        """Head, rows and foot, exactly as high as the terminal."""
        from rich.text import Text as Line

        now, width, height = datetime.now(UTC), min(self._console.width, WIDEST), self._console.height
        head = [cut(self._head(now), "bold", width), cut(counted(self._rows, self.language), "bold", width)]
        body = lines(self._rows, now, self.language, width, max(height - 5, 3), self._ramp)
        note = self._note if now - self._noted < NOTED else ""
        foot = [cut(note, "bold", width), cut(self._foot(now), "dim", width)]
        blank = [Line("")] * max(height - len(head) - len(body) - len(foot) - 1, 0)
        return Line("\n").join([*head, Line(""), *body, *blank, *foot][:height])

    def _head(self, now: datetime) -> str:
        place = f"{label(self._environment.site, 40)} · {label(self._environment.name, 20)}"
        return f"{self.language.clock(now)} {self.language.offset(now)} · {place}"

    def _foot(self, now: datetime) -> str:
        word = self.language.word
        watched = timedelta(seconds=round((now - self._began).total_seconds()))
        left = max(timedelta(seconds=round((self._next - now).total_seconds())), timedelta())
        said = word("Watched for {span}, look {count}", span=watched, count=self._looks)
        what_now = word("looking now") if self._judging else word("again in {span}", span=left)
        keys = word("r: report now · q: end") if self._keys else word("Ctrl-C: end")
        return f"{said}, {what_now} · {keys}"

    def _tell(self, before: Mapping[str, RowSeen]) -> None:
        """What changed since the look before, or, once in a while, that nothing did."""
        now = datetime.now(UTC)
        changed = [row for row in self._rows if row.row not in before or before[row.row].standing != row.standing]
        for row in changed if before else self._troubled():
            self._print(plain(row, now, self.language))
        if changed or now - self._told >= HEARTBEAT:
            self._told = now
            self._print(counted(self._rows, self.language))
            for row in () if changed else self._troubled():
                self._print(f"  {plain(row, now, self.language)}")

    def _troubled(self) -> list[RowSeen]:
        return [row for row in self._rows if row.since is not None or row.standing.value == "unknown"]

    def _print(self, words: str) -> None:
        self._console.print(f"{self.language.clock(datetime.now(UTC))}  {words}", soft_wrap=True)


def _console(stream: TextIO) -> Console:
    """As the final picture's, but as wide as the terminal is just now: a watch outlives a change of its window."""
    from rich.console import Console

    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return Console(file=stream, markup=False, emoji=False, highlight=False)
