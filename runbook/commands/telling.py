"""How a run from the command line is told: on the terminal while it goes on, and in files at its end."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.commands.driving import written
from runbook.commands.monitoring import LINE, print_line
from runbook.model import Run
from runbook.site import Site


@dataclass(frozen=True)
class Telling:
    """The formats that are wanted and where they go; ``as_json`` keeps standard output for the run itself."""

    site: Site
    formats: tuple[str, ...]
    output: Path | None
    as_json: bool
    quiet: bool

    @property
    def reports(self) -> Any:
        """The room of the reports, which the engine knows by name only."""
        return importlib.import_module("reports")

    @property
    def language(self) -> Any:
        """That of the site's readers."""
        return self.reports.speaking(self.site.environment)

    def board(self, *, watch: bool) -> Any:
        """What shows one look, or a watch, while it goes on."""
        held = self.as_json or self.in_a_line
        stream, quiet = sys.stderr if held else sys.stdout, self.quiet or held
        if watch:
            return self.reports.watch_board(self.language, stream, self.site.environment, quiet=quiet)
        return self.reports.board(self.language, stream, quiet=quiet)

    @property
    def in_a_line(self) -> bool:
        """Whether standard output is kept for the line of a Nagios plugin."""
        return LINE in self.formats

    @property
    def files(self) -> tuple[str, ...]:
        """The formats that become files."""
        return tuple(name for name in self.formats if name != LINE)

    def kept_in(self, run: Run) -> Path | None:
        """Where the run's reports lie; None where there are none."""
        return self.folder(run) if self.files else None

    def folder(self, run: Run) -> Path:
        """Where the run's reports go."""
        return self.output or self.site.reports_folder / run.id

    def write(self, run: Run) -> dict[str, Path]:
        """Write the reports; the path of each by its format. Raises ReportError."""
        files: dict[str, Path] = self.reports.write(
            run, self.folder(run), self.files, self.language, template=self.site.docx_template
        )
        return files

    def finished(self, board: Any, run: Run) -> dict[str, Path] | None:
        """Write the reports and show the final picture; None where something could not be written."""
        folder, template = self.folder(run), self.site.docx_template
        files = written(self.reports, run, folder, self.files, self.language, template) if self.files else {}
        if self.in_a_line:
            print_line(run, self.language)
        elif self.as_json:
            sys.stdout.buffer.write(self.reports.render(run, "json", self.language))
        else:
            board.finished(run, files)
        return files
