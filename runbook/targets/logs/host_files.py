"""Log files of a host, over the connection that its other facts come by: bounded, rotated and compressed ones too.

Two commands: the first tells what is there and how young it is, the second brings the ends. What comes back is packed
and in base64, because a command's output is text and a log is whatever it is.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import shlex
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings.log_sources import HostFiles
from runbook.targets.hosts.shell import host_name, run, shown
from runbook.targets.logs.asking import Asked
from runbook.targets.logs.files import ROTATED, Tail, lines_of
from runbook.text import text

#: The characters of a pattern that the host's shell is to understand; all others are quoted.
_GLOB = re.compile(r"([*?\[\]!^-]+)")
_UNPACK = {".gz": "gzip", ".zst": "zstd", ".xz": "xz"}
_LIST = (
    'for f in {patterns}; do [ -e "$f" ] || continue; if [ -f "$f" ] && [ -r "$f" ]; '
    "then stat -L --printf='r %s %Y ' -- \"$f\"; else printf 'd 0 0 '; fi; "
    "printf '%s' \"$f\" | base64 -w0; echo; done; [ -r {folder} ] || echo closed"
)
#: What the host's clock tells is in whole seconds.
_ROUNDED = timedelta(seconds=1)


class Found(NamedTuple):
    """One file of the host; ``base`` is the log that a rotated one was, else itself."""

    path: str
    size: int
    modified: datetime

    @property
    def base(self) -> str:
        return ROTATED.sub("", self.path)

    @property
    def packing(self) -> str | None:
        """The program that unpacks it; None for a plain file."""
        return _UNPACK.get(PurePosixPath(self.path).suffix)


class Piece(NamedTuple):
    """The end of one file to be brought: so many bytes at most."""

    file: Found
    most: int

    @property
    def command(self) -> str:
        path, unpack = shlex.quote(self.file.path), self.file.packing
        read = f"{unpack} -dc -- {path} | tail -c {self.most}" if unpack else f"tail -c {self.most} -- {path}"
        packed = f"{{ {read}; }} 2>/dev/null | gzip -c1 | base64 -w0; echo"
        return f"if command -v {unpack} >/dev/null; then {packed}; else echo '!'; fi" if unpack else packed


def read_host_files(source: HostFiles, asked: Asked) -> list[Tail]:
    """The ends of a host's logs. Raises ProbeError: not reached, no such file, not readable."""
    address = asked.host(source.host)
    found = _listed(run(asked.target, address, asked.hosts, listing(source.pattern)), asked, address, source.pattern)
    logs: dict[str, list[Found]] = {}
    for file in sorted(found, key=lambda file: (file.path == file.base, file.modified), reverse=True):
        logs.setdefault(file.base, []).append(file)
    pieces = [pieces_of(files, asked.since, asked.most) for files in logs.values()]
    brought = _brought(asked, address, [piece for some in pieces for piece in some])
    return [_tail(files, some, brought, asked, address) for files, some in zip(logs.values(), pieces, strict=True)]


def listing(pattern: str) -> str:
    """The command that tells of a pattern's files and their rotated neighbours."""
    named = quoted(pattern)
    folder = quoted(str(PurePosixPath(pattern).parent))
    return _LIST.format(patterns=f"{named} {named}.[0-9]* {named}-[0-9]*", folder=folder)


def quoted(pattern: str) -> str:
    """The pattern for a shell: only what makes it a pattern is left to be understood."""
    parts = _GLOB.split(pattern)
    return "".join(part if place % 2 else shlex.quote(part) if part else "" for place, part in enumerate(parts))


def pieces_of(files: list[Found], since: datetime, most: int) -> list[Piece]:
    """What is brought of one log and its rotated neighbours, which come newest first."""
    pieces, left = [], most
    for file in files:
        if left <= 0 or file.modified + _ROUNDED < since:
            break
        pieces.append(Piece(file, left))
        left -= 0 if file.packing else file.size
    return pieces


def _listed(printed: str, asked: Asked, address: str, pattern: str) -> list[Found]:
    found, denied, closed = {}, [], False
    for line in printed.splitlines():
        state, *more = line.split(" ")
        if state == "closed" and not more:
            closed = True
        elif len(more) == 3:
            path = base64.b64decode(more[2]).decode(errors="replace")
            found[path] = Found(path, int(more[0]), datetime.fromtimestamp(int(more[1]), UTC))
            denied += [path] if state == "d" else []
    if denied or not found:  # a folder that may be entered but not listed is seen only where nothing was found
        raise _unseen(asked, address, denied[0] if denied else pattern, denied=bool(denied) or closed)
    return list(found.values())


def _brought(asked: Asked, address: str, pieces: list[Piece]) -> dict[str, bytes | None]:
    """The pieces by path; None for one that the host has no program to unpack."""
    if not pieces:
        return {}
    printed = run(asked.target, address, asked.hosts, "; ".join(piece.command for piece in pieces)).splitlines()
    if len(printed) != len(pieces):
        raise _broken(asked, address)
    try:
        return {piece.file.path: _unpacked(line, piece.most) for piece, line in zip(pieces, printed, strict=True)}
    except (binascii.Error, OSError, EOFError, zlib.error) as error:
        raise _broken(asked, address) from error


def _unpacked(line: str, most: int) -> bytes | None:
    return None if line == "!" else gzip.decompress(base64.b64decode(line))[-most:]


def _tail(
    files: list[Found], pieces: list[Piece], brought: dict[str, bytes | None], asked: Asked, address: str
) -> Tail:
    newest = files[0]
    end, whole = b"", True
    for piece in pieces:
        content = brought[piece.file.path]
        end = b"\n" + end if content is None else content + end
        whole = whole and content is not None and len(content) < piece.most
    end, whole = end[-asked.most :], whole and len(end) <= asked.most
    name = f"{host_name(address)}:{PurePosixPath(newest.base).stem}"
    return Tail(Path(newest.base), lines_of(end, whole=whole), whole, newest.size, newest.modified, name=name)


def _unseen(asked: Asked, address: str, path: str, *, denied: bool) -> ProbeError:
    kind = ProbeFailure.DENIED if denied else ProbeFailure.ABSENT
    reason = "Permission denied" if denied else "No such file or directory"
    where = f"{shown(address)}{path}"
    said = text("the log {path} ({setting}) cannot be read: {reason}", path=where, setting=asked.setting, reason=reason)
    return ProbeError(asked.target, kind, said)


def _broken(asked: Asked, address: str) -> ProbeError:
    said = text("{where} sent the logs of {setting} cut short", where=shown(address), setting=asked.setting)
    return ProbeError(asked.target, ProbeFailure.BROKEN, said)
