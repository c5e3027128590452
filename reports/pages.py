"""What every HTML page is set with: templates that escape all they are given, and the name of a page's only script."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from reports.language import Language

if TYPE_CHECKING:
    from jinja2 import Environment, FileSystemBytecodeCache

TEMPLATES = Path(__file__).parent / "templates"


def environment(language: Language | None = None) -> Environment:
    """A new environment of our templates; with a ``language``, ``_`` translates into it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_compiled_before(),
    )
    if language is not None:
        made.globals["_"] = language.word
    return made


def script_hash(script: str) -> str:
    """The script's name in a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _compiled_before() -> FileSystemBytecodeCache | None:
    """Templates as compiled by an earlier run, in a folder of the user's own: compiling costs a tenth of a second.

    None where there can be no such folder; the page is then made all the same.
    """
    from jinja2 import FileSystemBytecodeCache

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muses-runbook" / "templates"
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = cache.stat().st_uid == os.geteuid() and os.access(cache, os.W_OK)
    except (OSError, RuntimeError):
        return None
    return FileSystemBytecodeCache(str(cache)) if ours else None
