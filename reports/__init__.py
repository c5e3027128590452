"""Records → files. Reports read a run and never touch a live target.

The JSON is written first: it is the record, the others are views of it and can be made again by ``report RUN``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from reports.clean import file_stem
from reports.language import Language
from runbook import placing
from runbook.errors import ReportError
from runbook.text import Text, text

if TYPE_CHECKING:
    from reports.procedure import ProcedureBoard
    from reports.terminal import Board
    from reports.watch import WatchBoard
    from runbook.model import Environment, Run


class Format(NamedTuple):
    """A kind of report: the ending of its file, and the module that renders it."""

    suffix: str
    module: str


#: Every format there is, in the order they are written.
FORMATS: dict[str, Format] = {
    "json": Format(".json", "reports.canonical"),
    "html": Format(".html", "reports.html"),
    "markdown": Format(".md", "reports.markdown"),
    "markdown:gitlab": Format(".gitlab.md", "reports.markdown.gitlab"),
    "markdown:jira": Format(".jira.txt", "reports.markdown.jira"),
    "junit": Format(".xml", "reports.junit"),
    "docx": Format(".docx", "reports.word"),
    "pdf": Format(".pdf", "reports.pdf"),
    "nagios": Format(".nagios.txt", "reports.nagios"),
    "prometheus": Format(".prom", "reports.exposition"),
}
#: Those that a run leaves when nobody asks for others.
USUAL = ("json", "html", "markdown", "junit")


def speaking(environment: Environment, code: str | None = None) -> Language:
    """The language of an environment's readers, in its time zone; ``code`` asks for another one."""
    return Language(code or environment.language, environment.timezone)


def board(language: Language, stream: TextIO, *, quiet: bool = False) -> Board:
    """What shows a run on a terminal or a pipe."""
    from reports.terminal import Board

    return Board(language, stream, quiet=quiet)


def watch_board(language: Language, stream: TextIO, environment: Environment, *, quiet: bool = False) -> WatchBoard:
    """What shows a watch on a terminal or a pipe."""
    from reports.watch import WatchBoard

    return WatchBoard(language, stream, environment, quiet=quiet)


def procedure_board(language: Language, stream: TextIO, *, quiet: bool = False) -> ProcedureBoard:
    """What shows a procedure on a terminal or a pipe."""
    from reports.procedure import ProcedureBoard

    return ProcedureBoard(language, stream, quiet=quiet)


def read(folder: Path) -> Run:
    """The run whose JSON lies in a folder. Raises ReportError where there is none, several, or a bad one."""
    from reports.canonical import load

    try:
        found = sorted(folder.glob("*.json"))
        if len(found) != 1:
            raise ReportError(
                text("There are {count} stored runs in {folder}, not one", count=len(found), folder=folder)
            )
        return load(found[0].read_bytes())
    except OSError as error:
        why = error.strerror or error
        raise ReportError(text("The run in {folder} cannot be read: {error}", folder=folder, error=why)) from error


def write(
    run: Run, folder: Path, formats: Iterable[str], language: Language, *, template: Path | None = None
) -> dict[str, Path]:
    """Write a run's reports into ``folder``, each whole or not at all; the path of each by its format.

    What SQL rows found lies beside them, with its hashes.
    A file that cannot be made or written does not keep the others from being written. Raises ReportError in the end
    that names what was written and what was not; for an unknown format at once. ``template`` is what Word documents
    are made from, ours where none is given.
    """
    stem = file_stem(run.id)
    contents: list[tuple[str, str, Callable[[], bytes]]] = [
        (name, f"{stem}{FORMATS[name].suffix}", partial(render, run, name, language, template))
        for name in _chosen(formats)
    ]
    written: dict[str, Path] = {}
    failed: dict[str, str] = {}
    for name, file, content in (*contents, *_findings(run, stem)):
        try:
            whole = content()
            folder.mkdir(parents=True, exist_ok=True)
            placing.put(folder / file, whole)
            written[name] = folder / file
        except OSError as error:
            failed[name] = str(error.strerror or error)
        except ReportError as error:
            failed[name] = language.say(error.said)
    if failed:
        raise ReportError(_what_happened(folder, written, failed))
    return written


def _findings(run: Run, stem: str) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    from reports.findings import files, manifest

    found = files(run, stem)
    for file in (file for made in found.values() for file in made):
        yield file.name, file.name, partial(bytes, file.content)
    if found:
        yield "sha256", f"{stem}.sha256", partial(manifest, found)


def render(run: Run, format: str, language: Language, template: Path | None = None) -> bytes:
    """A run in one format; ``template`` is for Word documents. Raises ReportError where one cannot be made."""
    module = import_module(FORMATS[format].module)
    content: bytes
    if format == "json":
        content = module.dump(run)
    elif format == "docx":
        content = module.render(run, language, template)
    else:
        content = module.render(run, language)
    return content


def comment(run: Run, flavour: str, language: Language) -> bytes:
    """The first screen of a run as a ticket takes it: ``github``, ``gitlab``, ``jira``, ``adf`` or ``plain``.

    At most 3,800 characters are read of it, UTF-8. Raises ReportError for a flavour there is not.
    """
    from reports.markdown import comment as made

    return made(run, flavour, language)


def comment_adf(run: Run, language: Language) -> dict[str, Any]:
    """The same as the JSON document that Jira Cloud takes."""
    import json

    document: dict[str, Any] = json.loads(comment(run, "adf", language))
    return document


def _chosen(formats: Iterable[str]) -> list[str]:
    wanted = set(formats)
    if unknown := sorted(wanted - set(FORMATS)):
        known = ", ".join(FORMATS)
        raise ReportError(
            text("No report format {unknown}: there are {known}", unknown=", ".join(unknown), known=known)
        )
    return [name for name in FORMATS if name in wanted]


def _what_happened(folder: Path, written: dict[str, Path], failed: dict[str, str]) -> Text:
    kept = ", ".join(path.name for path in written.values()) or "–"
    lost = "; ".join(f"{name}: {why}" for name, why in failed.items())
    return text(
        "Not every report could be written into {folder}: {lost}. Written: {kept}", folder=folder, lost=lost, kept=kept
    )
