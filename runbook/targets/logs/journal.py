"""Units in a host's journal, by the host's own journalctl.

The journal shows everybody his own messages only: a reader who may not see those of others finds nothing, which is no
proof of silence. So the first thing that is asked is whether the system's journal may be read at all.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import gzip
import shlex
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.learnt import learnt
from runbook.settings.log_sources import Journal
from runbook.targets.hosts.shell import host_name, run, shown
from runbook.targets.logs.asking import Asked
from runbook.targets.logs.files import Tail
from runbook.text import text

#: What journalctl writes of one message, at least: cursor, times, boot.
_BYTES = 256
#: err, as syslog counts; what a program prints without a level of its own is 6, info.
_ERROR = 3
_CLOSED, _NONE, _SEEN = "closed", "none", "seen"
#: Whether there is a journal of the system, and whether we may read one.
_SEE = (
    f"s={_NONE}; for f in /var/log/journal/*/system.journal /run/log/journal/*/system.journal; do "
    f'[ -e "$f" ] && [ "$s" = {_NONE} ] && s={_CLOSED}; [ -r "$f" ] && s={_SEEN}; done; echo "$s"'
)
_FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT"
_MEND = "usermod -aG systemd-journal READER"


class _Message(msgspec.Struct, frozen=True):
    """One message: its text is a list of bytes where it is no UTF-8, and null where it is too large."""

    at: str = msgspec.field(name="__REALTIME_TIMESTAMP")
    said: Any = msgspec.field(default=None, name="MESSAGE")
    priority: Any = msgspec.field(default=None, name="PRIORITY")
    unit: Any = msgspec.field(default=None, name="_SYSTEMD_UNIT")


def read_journal(source: Journal, asked: Asked) -> list[Tail]:
    """The newest messages of the units, a tail for each unit. Raises ProbeError, DENIED where we may not see them."""
    address = asked.host(source.host)
    most = max(asked.most // _BYTES, 1)
    printed = run(asked.target, address, asked.hosts, f"{_SEE}; {_command(source, asked, most)}").splitlines()
    _seen(printed[0] if printed else _NONE, address, asked)
    try:
        lines = gzip.decompress(base64.b64decode(printed[1])).splitlines()
    except (IndexError, binascii.Error, OSError, EOFError, zlib.error) as error:
        raise _failed(asked, address, "cut short") from error
    found = [line for line in lines[:-1] if line.startswith(b"{")]
    if not found:
        _known(source, asked, address)
    if not lines or lines[-1] != b"exit 0":
        raise _failed(asked, address, _complaint(lines))
    return list(_tails(found, host_name(address), whole=len(found) < most and len(lines) - 1 == len(found)))


def _known(source: Journal, asked: Asked, address: str) -> None:
    """Silence and a wrong name look alike. Raises ProbeError(ABSENT) where no unit of these ever wrote a line."""
    ever = run(asked.target, address, asked.hosts, "journalctl -q --no-pager -F _SYSTEMD_UNIT").splitlines()
    meant = [unit if "." in unit else f"{unit}.service" for unit in source.units]
    if any(fnmatch.fnmatchcase(unit, pattern) for pattern in meant for unit in ever):
        return
    said = text(
        "{where}: no unit {units} has ever written to the journal ({setting})",
        where=shown(address),
        units=", ".join(meant),
        setting=asked.setting,
    )
    raise ProbeError(asked.target, ProbeFailure.ABSENT, said)


def _command(source: Journal, asked: Asked, most: int) -> str:
    units = " ".join(f"-u {shlex.quote(unit)}" for unit in source.units)
    span = f"--since @{int(asked.since.timestamp())} --until @{int(asked.until.timestamp()) + 1}"
    ask = f"journalctl -q --no-pager -o json {span} -n {most} --output-fields={_FIELDS} {units}"
    return f"{{ {ask} 2>&1; echo exit $?; }} | tail -c {asked.most} | gzip -c1 | base64 -w0"


def _seen(state: str, address: str, asked: Asked) -> None:
    if state == _CLOSED:
        said = text(
            "{where}: the reader may not see the journal of others ({setting}); mend with: {command}",
            where=shown(address),
            setting=asked.setting,
            command=_MEND,
        )
        raise ProbeError(asked.target, ProbeFailure.DENIED, said)
    if state != _SEEN:
        said = text("{where} keeps no journal ({setting})", where=shown(address), setting=asked.setting)
        raise ProbeError(asked.target, ProbeFailure.ABSENT, said)


def _tails(lines: list[bytes], host: str, *, whole: bool) -> Iterator[Tail]:
    read = msgspec.json.Decoder(learnt(_Message)).decode
    units: dict[str, list[tuple[datetime, bytes]]] = {}
    for line in lines:
        message = read(line)
        at = datetime.fromtimestamp(int(message.at) / 1e6, UTC)
        units.setdefault(str(message.unit or "—"), []).append((at, _said(message)))
    for unit, said in units.items():
        stamps, words = tuple(at for at, _ in said), tuple(word for _, word in said)
        size = sum(map(len, words))
        yield Tail(Path(unit), words, whole, size, stamps[-1], stamps, f"{host}:{unit.removesuffix('.service')}")


def _said(message: _Message) -> bytes:
    """The message as the service wrote it; one that the journal alone knows to be an error is made to say so."""
    said = message.said
    words = bytes(said).decode(errors="replace") if isinstance(said, list) else str(said or "")
    if not words.startswith("{") and str(message.priority).isdecimal() and int(message.priority) <= _ERROR:
        return msgspec.json.encode({"level": "ERROR", "message": words})
    return " ".join(words.splitlines()).encode()


def _complaint(lines: list[bytes]) -> str:
    said = next((line for line in reversed(lines[:-1]) if not line.startswith(b"{")), b"it cannot be read")
    return said.decode(errors="replace")[:200]


def _failed(asked: Asked, address: str, reason: str) -> ProbeError:
    said = text(
        "journalctl at {where} failed ({setting}): {reason}",
        where=shown(address),
        setting=asked.setting,
        reason=reason,
    )
    return ProbeError(asked.target, ProbeFailure.BROKEN, said)
