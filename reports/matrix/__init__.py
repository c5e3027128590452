"""Several environments side by side: rows × environments, as one page, one Markdown file, one picture, one JSON.

Each environment keeps its own report; this one says where to look. An environment that could not be judged has a column
like the others, UNKNOWN, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import msgspec

from reports import Format
from reports.language import Language
from runbook import placing
from runbook.errors import ReportError
from runbook.model import Run, State, worst, worst_of
from runbook.text import Text, text

FORMATS: dict[str, Format] = {
    "json": Format(".json", "reports.matrix.data"),
    "html": Format(".html", "reports.matrix.html"),
    "markdown": Format(".md", "reports.matrix.markdown"),
}
#: The name of the files.
STEM = "matrix"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One environment: its run, or why there is none. ``folder`` is where its own reports lie."""

    site: str
    environment: str
    run: Run | None = None
    error: Text | None = None
    folder: Path | None = None

    @property
    def state(self) -> State:
        """The worst of its rows; UNKNOWN where nothing was judged: blind is not green."""
        return State.UNKNOWN if self.run is None or not self.run.records else worst_of(self.run)


def state_of(columns: Iterable[Column]) -> State:
    """The worst of all environments."""
    return worst([column.state for column in columns])


def render(columns: Sequence[Column], format: str, language: Language, *, beside: Path | None = None) -> bytes:
    """The matrix in one format; links lead to the environments' reports as seen from the folder ``beside``."""
    from reports.matrix.view import view

    if format == "html":
        language = msgspec.structs.replace(language, space="\u00a0")
    module: Any = import_module(FORMATS[format].module)
    content: bytes = module.render(columns) if format == "json" else module.render(view(columns, language, beside))
    return content


def write(columns: Sequence[Column], folder: Path, formats: Iterable[str], language: Language) -> dict[str, Path]:
    """Write the matrix into ``folder``, each file whole or not at all; the path of each by its format.

    Formats it does not come in are left out. Raises ReportError where a file cannot be written.
    """
    written: dict[str, Path] = {}
    try:
        for name in (name for name in FORMATS if name in set(formats)):
            file = folder / f"{STEM}{FORMATS[name].suffix}"
            content = render(columns, name, language, beside=folder)
            folder.mkdir(parents=True, exist_ok=True)
            placing.put(file, content)
            written[name] = file
    except OSError as error:
        words = text("The matrix in {folder} cannot be written: {error}", folder=folder, error=error.strerror or error)
        raise ReportError(words) from error
    return written


def show(columns: Sequence[Column], language: Language, stream: TextIO, files: Mapping[str, Path]) -> None:
    """Print the matrix as text, worst first, and where its files lie."""
    from reports.matrix.terminal import show as shown
    from reports.matrix.view import view

    shown(view(columns, language, None), language, stream, files)
