"""A file is put in its place whole or not at all: who reads it meanwhile sees the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def put(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write the content beside the file, have it on disk, and move it there; ``mode`` is given to it before.

    Raises OSError where that is not possible, also where there is no such folder; what was there stays.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            draft.chmod(mode)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
