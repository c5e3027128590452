"""The file systems of a host, out of what df and the kernel's list of mounts print. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from runbook.targets.hosts.structs import Disk

#: File systems that hold no data, or are full by their nature; as the root they are a container's.
_PSEUDO = frozenset({"tmpfs", "devtmpfs", "ramfs", "squashfs", "iso9660", "udf", "efivarfs", "overlay"})
_ROOT = "/"


def parsed(host: str, printed: str) -> Iterator[Disk]:
    """The disks in the output of :data:`runbook.targets.hosts.script.DF`, shortest path first."""
    for row in _kept([row for line in printed.splitlines() if (row := _row(line))]):
        yield Disk(
            host=host,
            mount=row.mount,
            bytes=row.size,
            free=row.free,
            used_percent=100 * row.used / (row.used + row.free) if row.used + row.free else 100.0,
            inodes_percent=100 * row.inodes_used / row.inodes if row.inodes else None,
        )


def read_only(mounts: str, fstab: str) -> tuple[str, ...] | None:
    """Mounts that are read-only although fstab wants them writable: the kernel does that after an error of a disk.

    None where fstab names no mount to compare with.
    """
    wanted = {place for place, options in _entries(fstab) if "ro" not in options}
    found = {place: options for place, options in _entries(mounts) if place in wanted}
    return tuple(place for place, options in found.items() if "ro" in options) if found else None


class _Row(NamedTuple):
    kind: str
    size: int
    used: int
    free: int
    inodes: int
    inodes_used: int
    source: str
    mount: str


def _row(line: str) -> _Row | None:
    """One line of df, where ``-`` stands for what a file system does not say. None for any other line."""
    parts = line.split(None, len(_Row._fields) - 1)
    if len(parts) != len(_Row._fields):
        return None
    kind, *amounts, source, mount = parts
    if not all(amount == "-" or amount.isdecimal() for amount in amounts):
        return None
    size, used, free, inodes, inodes_used = (0 if amount == "-" else int(amount) for amount in amounts)
    return _Row(kind, size, used, free, inodes, inodes_used, source, mount)


def _kept(rows: list[_Row]) -> Iterator[_Row]:
    """Those that hold data, each device once: a container has one mounted at many places."""
    seen: set[str] = set()
    for row in sorted(rows, key=lambda row: len(row.mount)):
        pseudo = row.kind in _PSEUDO and row.mount != _ROOT
        if not pseudo and row.size and row.source not in seen:
            seen.add(row.source)
            yield row


def _entries(table: str) -> Iterator[tuple[str, set[str]]]:
    """Place and options of each line of fstab or of the kernel's list, which have the same columns."""
    for line in table.splitlines():
        columns = line.split()
        if len(columns) >= 4 and not line.lstrip().startswith("#"):
            yield columns[1].replace("\\040", " "), set(columns[3].split(","))
