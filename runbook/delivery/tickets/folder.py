"""A folder as a ticket, for trackers that a person feeds by hand: the comment is a text file beside the reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from runbook import placing
from runbook.delivery.tickets.tracker import END, Mark, Note, hidden, mark_at_start
from runbook.errors import DeliveryError
from runbook.incidents import Incident
from runbook.text import text

_UNFIT = r"[^\w.-]+"


class Folder:
    """Each folder is a ticket; nothing is opened or closed in it."""

    flavour = "github"
    rewrites = True
    formats: tuple[str, ...] = ("html", "json")

    def notes(self, ticket: str) -> Iterator[Note]:
        """The files that begin with a mark of ours."""
        for file in sorted(Path(ticket).glob("*.md")):
            if mark := mark_at_start(file.read_text(encoding="utf-8", errors="replace")):
                yield Note(file.name, mark)

    def write(self, ticket: str, words: str, mark: Mark) -> None:
        """Write the comment's file, named for the incident; for the run where that name is taken."""
        named = [mark.incident or mark.run, f"{mark.incident}-{mark.run}"]
        ending = "-end.md" if mark.kind == END else ".md"
        files = [Path(ticket) / f"{re.sub(_UNFIT, '-', name)}{ending}" for name in named]
        _put(next((file for file in files if not file.exists()), files[-1]), _content(words, mark))

    def rewrite(self, ticket: str, note: Note, words: str, mark: Mark) -> None:
        """Write the same file anew."""
        _put(Path(ticket) / note.id, _content(words, mark))

    def attach(self, ticket: str, files: Mapping[str, bytes]) -> str:
        """Write the files beside it."""
        for name, content in files.items():
            _put(Path(ticket) / name, content)
        return " · ".join(f"[{name}]({name})" for name in files)

    def find(self, incident: Incident) -> str | None:
        """None: nobody but a person names a folder."""
        return None

    def open(self, incident: Incident, title: str, words: str) -> str:
        """Refused: a folder is named, not opened."""
        raise DeliveryError(text("A folder is no tracker: name it with {option}", option="--to file:FOLDER"))

    def close(self, ticket: str, words: str) -> bool:
        """False: a folder stays as it is."""
        return False

    def link(self, ticket: str) -> str:
        """The folder itself."""
        return str(Path(ticket).absolute())


def _content(words: str, mark: Mark) -> bytes:
    return f"{hidden(mark)}\n{words}".encode("utf-8", "replace")


def _put(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        placing.put(path, content)
    except OSError as error:
        why = error.strerror or str(error)
        raise DeliveryError(text("{file} cannot be written: {why}", file=path, why=why)) from error
