"""Files of recorded readings: JSON lines, a head and then one line a look, so that a watch that is killed leaves them.

A name that ends in ``.zst`` is compressed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from runbook.errors import ReportError
from runbook.model import Run
from runbook.recording.looks import FORM, Head, Look, Recording, of_run
from runbook.redact import masked
from runbook.text import text


class Writer:
    """Writes a record look by look; each is on disk before the next. A context manager. Raises ReportError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _created(path)
        self._lines: BinaryIO = _compressed(self._file) if path.suffix == ".zst" else self._file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._file.close()

    def head(self, run: Run) -> None:
        """Say of which run it is."""
        self._write(Head(record=FORM, run=run.id, environment=run.environment))

    def look(self, look: Look) -> None:
        """Add a look, masked once more."""
        self._write(look)

    def _write(self, line: msgspec.Struct) -> None:
        try:
            self._lines.write(msgspec.json.encode(masked(msgspec.to_builtins(line)), order="sorted") + b"\n")
            self._lines.flush()
            self._file.flush()
        except OSError as error:
            raise _unusable(self._path, error) from error


def write(run: Run, path: Path) -> None:
    """Put what a run read on record. Raises ReportError."""
    with Writer(path) as writer:
        writer.head(run)
        for look in of_run(run).looks:
            writer.look(look)


def read(path: Path) -> bytes:
    """What a file holds, decompressed where its name ends in ``.zst``. Raises ReportError.

    What was killed while it wrote has no end, and reads as far as it goes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unusable(path, error) from error
    return _decompressed(path, data) if path.suffix == ".zst" else data


def parsed(data: bytes, path: Path) -> Recording | None:
    """The record in a file's bytes; None where they are none: that may be a stored run. Raises ReportError."""
    first, *lines = data.split(b"\n")
    try:
        head = msgspec.json.decode(first, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if head.record > FORM:
        raise ReportError(
            text(
                "{file}: the record is of form {form}, this muses-runbook reads up to {known}: use a newer one",
                file=path,
                form=head.record,
                known=FORM,
            )
        )
    return Recording(head=head, looks=tuple(_looks(path, lines[:-1])), cut=bool(lines and lines[-1]))


def _looks(path: Path, lines: list[bytes]) -> Iterator[Look]:
    for number, line in enumerate(lines, 2):
        try:
            yield msgspec.json.decode(line, type=Look)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ReportError(
                text(
                    "{file}, line {number}: this is no look of a record: {error}", file=path, number=number, error=error
                )
            ) from error


def _decompressed(path: Path, data: bytes) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
            return reader.read()
    except zstandard.ZstdError as error:
        raise ReportError(text("{file} cannot be decompressed: {error}", file=path, error=error)) from error


def _created(path: Path) -> BinaryIO:
    """The file, empty, for nobody else's eyes. Raises ReportError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return path.open("wb")
    except OSError as error:
        raise _unusable(path, error) from error


def _compressed(file: BinaryIO) -> BinaryIO:
    import zstandard

    return zstandard.ZstdCompressor().stream_writer(file, closefd=False)


def _unusable(path: Path, error: OSError) -> ReportError:
    return ReportError(text("{file}: {error}", file=path, error=error.strerror or error))
