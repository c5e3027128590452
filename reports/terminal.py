"""The run on a terminal: live while the rows are judged, then the picture an engineer at 3 a.m. needs, worst first.

Piped, it says nothing until the end and then plain text without an escape code; ``NO_COLOR`` is respected. Words from
outside are printed as text, never as markup, and hold no escape sequence by the time they are here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from reports.clean import label, one_line
from reports.language import Language
from reports.panel import panel
from reports.picture import COLOURS, Picture, console
from reports.view import view
from reports.words import SHAPES, Standing, standing
from runbook.model import Action, Outcome, Record, Run, Step

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text as Line

YES = frozenset({"s", "si", "sí", "y", "yes"})


class Board:
    """Listens to a run and shows it on ``stream``; a context manager, so that the cursor always comes back.

    ``quiet`` leaves out the live part and everything that is in order. Nothing is asked where either end is no
    terminal.
    """

    def __init__(
        self, language: Language, stream: TextIO, *, quiet: bool = False, answers: TextIO | None = None
    ) -> None:
        self.language, self.quiet = language, quiet
        self._answers = answers or sys.stdin
        self._console = console(stream)
        self._live: Live | None = None
        self._rows: dict[str, Standing | None] = {}
        self._began, self._doing = time.monotonic(), ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the live part away. Closing twice is harmless."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def started(self, rows: tuple[str, ...]) -> None:
        """These rows are being judged."""
        self._rows, self._began = dict.fromkeys(rows), time.monotonic()
        self._doing = self.language.word("Checking")
        if self._console.is_terminal and not self._console.is_dumb_terminal and not self.quiet:
            self._go_live()

    def judged(self, record: Record) -> None:
        """A row is judged, explained and planned for."""
        self._rows[record.row] = standing(record)

    def acting(self, step: Step) -> None:
        """A step begins."""
        self._doing = self.language.say(step.what)

    def acted(self, action: Action) -> None:
        """A step ended, one way or another; how it ended stays until the next thing begins."""
        result = self.language.say(action.result) if action.outcome is not Outcome.DONE else ""
        self._doing = f"{self.language.say(action.step.what)} {result}".rstrip()

    def verifying(self, row: str) -> None:
        """A row is being judged again after an action."""
        self._doing = self.language.word("Proving {row}: the same check on new readings", row=row)

    def ask(self, record: Record) -> bool | None:
        """A person's answer to "may this plan run?"; None where nobody can be asked."""
        if not (self._console.is_terminal and self._answers.isatty()):
            return None
        was_live = self._live is not None
        self.close()
        self._picture_of_plan(record)
        answer = self._answers.readline()
        if was_live:
            self._go_live()
        return answer.strip().casefold() in YES if answer else None

    def finished(self, run: Run, files: Mapping[str, Path] | None = None) -> None:
        """The run is over: the final picture, and where its reports lie."""
        self.close()
        picture = Picture(self._console, self.language)
        picture.run(view(run, self.language), files or {}, quiet=self.quiet)

    def _picture_of_plan(self, record: Record) -> None:
        shown = panel(record, record.verdict.judged_at, self.language)
        Picture(self._console, self.language).question(shown)

    def _go_live(self) -> None:
        from rich.live import Live

        self._live = Live(
            console=self._console,
            get_renderable=self._progress,
            transient=True,
            refresh_per_second=5,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _progress(self) -> Line:
        """The marks of all rows, how many are judged, for how long, and what is being done."""
        from rich.text import Text as Line

        line = Line(overflow="fold")
        for row, how in list(self._rows.items()):
            line.append(f"{SHAPES[how] if how else '·'} {label(row, 40)}  ", style=COLOURS[how] if how else "dim")
        judged = sum(how is not None for how in self._rows.values())
        waited = f"{time.monotonic() - self._began:.0f} s"
        return line.append(f"\n{judged}/{len(self._rows)} · {waited} · {one_line(self._doing)}")
