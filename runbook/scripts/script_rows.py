"""Every ``.sql`` file is a row: each row that it returns is a finding.

A script of the team runs as it is. Its file name gives the id, its first comment the title; a header
(``runbook.scripts.header``) may say more.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from runbook import rows
from runbook.limits import Limits
from runbook.model import Finding
from runbook.rows import Cause, Row
from runbook.scripts import header, judging
from runbook.scripts.header import COUNT, Header
from runbook.text import Text, bilingual, size, text

if TYPE_CHECKING:
    from runbook.targets.scripts.kinds import Step
    from runbook.targets.scripts.script import Script
    from runbook.targets.scripts.scripts import Scripts

SECTION = "sql"
#: A statement that takes longer burdens the database; each row may have a limit of its own.
SLOW = timedelta(seconds=2)
_PERSON = text("A person corrects what the rows name: all of them are in the CSV beside this report")
#: A dump that lies among the scripts is none: taking it apart would delay every run.
LARGEST = 1024**2
_loaded: dict[tuple[Path, str], types.ModuleType] = {}


def files(folder: Path) -> tuple[Path, ...]:
    """The scripts below a folder, in order; hidden files and folders are left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() == ".sql" and path.is_file())
    return tuple(sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts)))


def module_of(file: Path, folder: Path) -> types.ModuleType:
    """A module with the check of one script, as one of Python would be; the same one as long as the file is the same.

    Raises OSError where the file cannot be read.
    """
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    key = (file.resolve(), digest)
    if key not in _loaded:
        _loaded[key] = _module(file, folder, _decoded(content), digest)
    return _loaded[key]


def script_of(row: Row) -> Script | None:
    """The script behind a row; None for a row of Python."""
    script: Script | None = getattr(row.check, "script", None)
    return script


def _module(file: Path, folder: Path, source: str, digest: str) -> types.ModuleType:
    place = file.relative_to(folder).with_suffix("").as_posix()
    told = header.read(source, place.removeprefix("sql/"))
    script = _script(file.relative_to(folder).as_posix(), source, digest, told)
    module = types.ModuleType(f"checks.{SECTION}")
    module.__file__ = str(file)
    module.check = _declared(script, told, file)  # type: ignore[attr-defined]
    return module


def _decoded(content: bytes) -> str:
    """Scripts of every age: UTF-8 with and without a mark, UTF-16 as Windows writes it, else Windows-1252."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _script(file: str, source: str, digest: str, header: Header) -> Script:
    from runbook.targets.scripts.kinds import steps
    from runbook.targets.scripts.reading import parts
    from runbook.targets.scripts.script import Script

    found: tuple[Step, ...]
    refused: tuple[Text, ...]
    if len(source) > LARGEST:
        found, refused = (), (text("Larger than {limit}: this is no script", limit=size(LARGEST)),)
    else:
        found, refused = steps(tuple(parts(source.replace("\r\n", "\n"))))
    return Script(
        id=header.id,
        file=file,
        digest=digest,
        steps=found,
        refusals=(*header.problems, *refused),
        parameters=header.parameters,
        timeout=header.timeout,
    )


def _declared(script: Script, header: Header, file: Path) -> Callable[..., None]:
    column = None if header.subject == COUNT else header.subject
    largest = header.threshold.direction == "above"

    def check(scripts: Scripts, limits: Limits) -> None:
        asked = scripts.asked(script, column, largest=largest)
        judging.judge(asked, scripts, limits)

    def what_was_found(scripts: Scripts, limits: Limits) -> Finding:
        asked = scripts.asked(script, column, largest=largest)
        return judging.tell(asked, scripts, limits)

    check.__module__, check.__qualname__ = f"checks.{SECTION}", str(file)
    check.__doc__ = header.title[0]
    check.script = script  # type: ignore[attr-defined]
    declare = rows.row(
        script.id,
        source=script.file,
        es=header.title[1],
        threshold=header.threshold,
        settings={"slow": SLOW},
        person=_PERSON,
    )
    declared = rows.of(declare(check))
    declared.why = bilingual(*header.why) if header.why[0] else None
    words = bilingual("What the script found", "Lo que encontró el script")
    declared.causes.append(Cause("what_was_found", words, what_was_found, ("scripts",)))
    return check
