"""Where a log is: a file, compressed or not, standard input, or a file of a host through SSH."""

from __future__ import annotations

import contextlib
import errno
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

import msgspec

_COMPRESSED = re.compile(r"\.(gz|zst|xz|bz2)$")
_MAGIC = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"\xfd7zXZ": "xz", b"BZh": "bz2"}
#: How many times longer a log usually is than its compressed form: for sharing the work only.
_RATIO = 10
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10")
#: What a shell takes as a pattern stays one in the path of a host; all else is quoted.
_PATTERN = re.compile(r"([*?\[\]]+)")


class Source(msgspec.Struct, frozen=True):
    """One log. ``kind`` is how it is compressed, empty for plain; ``size`` is its bytes, 0 where nobody knows."""

    name: str
    kind: str = ""
    size: int = 0
    host: str = ""
    path: str = ""
    ssh_config: str = ""
    modified: float = 0.0

    @property
    def splittable(self) -> bool:
        """Whether several may read it, each its part."""
        return not self.kind and not self.host and self.name != "-"

    @property
    def weight(self) -> int:
        """How much work it is, in bytes of log."""
        return self.size * (_RATIO if self.kind else 1)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its bytes, unpacked. Raises OSError with a reason that a person understands."""
        with contextlib.ExitStack() as held:
            if self.host:
                raw = held.enter_context(self._of_host())
            elif self.name == "-":
                raw = sys.stdin.buffer
            else:
                raw = held.enter_context(Path(self.name).open("rb"))
            with _unpacking_told():
                yield held.enter_context(_unpacked(raw, self.kind)) if self.kind else raw

    @contextmanager
    def _of_host(self) -> Iterator[BinaryIO]:
        command = [*ssh(self.host, self.ssh_config), f"cat -- {shlex.quote(self.path)}"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        stdout, stderr = cast(BinaryIO, process.stdout), cast(BinaryIO, process.stderr)
        try:
            yield stdout
            if process.wait(10):
                raise OSError(errno.EIO, stderr.read().decode(errors="replace").strip()[-300:] or "ssh failed")
        finally:
            process.kill()
            process.communicate()


def sources(name: str, ssh_config: str = "") -> list[Source]:
    """What a person named: a path, ``-``, or ``ssh://[user@]host[:port]/path`` in which the path may be a pattern.

    Local logs come as they are named. Raises OSError.
    """
    if name.startswith("ssh://"):
        return _of_host(name, ssh_config)
    if name == "-":
        return [Source("-")]
    path = Path(name)
    if not path.is_file():
        if path.exists():
            raise OSError(errno.EINVAL, "not a plain file")
        raise FileNotFoundError(errno.ENOENT, "no such file")
    with path.open("rb") as log:
        head = log.read(6)
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
    known = path.stat()
    return [Source(name, kind, known.st_size, modified=known.st_mtime)]


def ssh(host: str, ssh_config: str = "") -> list[str]:
    """The command that runs another on a host given as ``[user@]host[:port]``; unknown hosts are refused."""
    name, colon, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    config = ["-F", ssh_config] if ssh_config else []
    return [*_SSH, *config, *(["-p", port] if colon else []), "--", name]


def _of_host(name: str, ssh_config: str) -> list[Source]:
    address = urlsplit(name)
    host, pattern = address.netloc, unquote(address.path)
    quoted = "".join(
        part if n % 2 else shlex.quote(part) if part else "" for n, part in enumerate(_PATTERN.split(pattern))
    )
    script = f'for f in {quoted}; do if [ -r "$f" ]; then wc -c < "$f"; printf \'%s\\n\' "$f"; fi; done'
    command = [*ssh(host, ssh_config), script]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(errno.EIO, done.stderr.decode(errors="replace").strip()[-300:] or "ssh failed")
    told = done.stdout.decode(errors="surrogateescape").split("\n")
    if len(told) < 2:
        raise FileNotFoundError(errno.ENOENT, "no such file, or not readable")
    pairs = zip(told[::2], told[1::2], strict=False)
    return [_remote(host, path, int(size), ssh_config) for size, path in pairs]


def _remote(host: str, path: str, size: int, ssh_config: str) -> Source:
    found = _COMPRESSED.search(path)
    return Source(f"ssh://{host}{path}", found[1] if found else "", size, host, path, ssh_config)


def _unpacked(raw: BinaryIO, kind: str) -> Any:
    if kind == "gz":
        import gzip

        return gzip.GzipFile(fileobj=raw)
    if kind == "xz":
        import lzma

        return lzma.LZMAFile(raw)
    if kind == "bz2":
        import bz2

        return bz2.BZ2File(raw)
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)


@contextmanager
def _unpacking_told() -> Iterator[None]:
    import lzma
    import zlib

    import zstandard

    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise OSError(errno.EIO, f"it cannot be unpacked ({type(error).__name__})") from error
