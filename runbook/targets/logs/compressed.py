"""The end of a compressed log. Its end is only had by unpacking all of it, so that is bounded too."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

#: So many times what may be kept is unpacked at most: what is larger is taken as too much to read, or as a bomb.
UNPACKED = 50
_PART = 1024**2
_KINDS = (".gz", ".zst", ".xz")


def is_compressed(path: Path) -> bool:
    """Whether a file's name says that it is compressed in a way that is read here."""
    return path.suffix in _KINDS


def last_of(path: Path, most: int) -> tuple[bytes, bool]:
    """The last bytes of what is in a compressed file, and whether they are all of it; none where it is too much.

    Raises OSError, also for a file that is cut short or is something else.
    """
    kept: deque[bytes] = deque()
    held = unpacked = 0
    for part in _parts(path):
        kept.append(part)
        held += len(part)
        unpacked += len(part)
        if unpacked > UNPACKED * most:
            return b"", False
        while held - len(kept[0]) >= most:
            held -= len(kept.popleft())
    return b"".join(kept)[-most:], unpacked <= most


def _parts(path: Path) -> Iterator[bytes]:
    import lzma
    import zlib

    import zstandard

    try:
        with path.open("rb") as packed, _reader(path.suffix)(packed) as reader:
            while part := reader.read(_PART):
                yield part
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise OSError(errno.EIO, f"it cannot be unpacked ({type(error).__name__})") from error


def _reader(kind: str) -> Callable[[BinaryIO], Any]:
    if kind == ".gz":
        import gzip

        return lambda packed: gzip.GzipFile(fileobj=packed)
    if kind == ".xz":
        import lzma

        return lzma.LZMAFile
    import zstandard

    return lambda packed: zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
