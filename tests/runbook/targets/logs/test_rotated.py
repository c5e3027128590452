"""Logs that were rotated away and compressed, as logrotate and others leave them."""

from __future__ import annotations

import gzip
import lzma
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import Size
from runbook.targets.logs.compressed import UNPACKED, last_of
from runbook.targets.logs.files import base_of
from tests.runbook.targets.logs.saying import SERVICE, line, logs

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def write(path: Path, content: bytes, age: float) -> None:
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("rotated", [".1", ".2", "-20261124", ".2026-11-24", "-2026112410"])
def test_what_was_rotated_away_in_the_window_is_read(tmp_path: Path, kind: str, rotated: str) -> None:
    write(tmp_path / "a.log", (line("nuevo", age=5) + "\n").encode(), 5)
    write(tmp_path / f"a.log{rotated}{kind}", PACKED[kind]((line("rotado", age=90) + "\n").encode()), 90)
    write(tmp_path / "a.log.9.gz", gzip.compress((line("viejo", age=900) + "\n").encode()), 900)
    found = logs(f"{tmp_path}/*.log*").errors(SERVICE)
    assert {g.shape for g in found.groups} == {"nuevo", "rotado"}
    assert found.whole


def test_several_rotated_are_put_in_order(tmp_path: Path) -> None:
    for number, age in ((1, 60), (2, 120), (3, 180)):
        write(tmp_path / f"a.log.{number}.gz", gzip.compress((line("Falló", age=age) + "\n").encode()), age)
    write(tmp_path / "a.log", b"", 1)
    [group] = logs(f"{tmp_path}/a.log").errors(SERVICE).groups
    assert (group.count, group.replicas) == (3, ("a",))


def test_what_is_cut_short_says_so(tmp_path: Path) -> None:
    write(tmp_path / "a.log", b"", 1)
    write(tmp_path / "a.log.1.gz", gzip.compress(b"x" * 1000)[:-9], 60)
    with pytest.raises(ProbeError, match="unpacked") as caught:
        logs(f"{tmp_path}/a.log").errors(SERVICE)
    assert caught.value.kind is ProbeFailure.ABSENT


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b"0" * (UNPACKED * 1000 + 5 * 1024**2))
    write(tmp_path / "a.log.1.gz", bomb, 60)
    assert last_of(tmp_path / "a.log.1.gz", 1000) == (b"", False)
    write(tmp_path / "a.log", (line("nuevo", age=5) + "\n").encode(), 5)
    found = logs(f"{tmp_path}/a.log", max_bytes=Size(1000)).errors(SERVICE)
    assert (found.errors, found.whole) == (1, False)


def test_only_the_end_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.gz", gzip.compress(bytes(range(250)) * 40), 1)
    assert last_of(tmp_path / "a.gz", 500) == (bytes(range(250)) * 2, False)
    assert last_of(tmp_path / "a.gz", 10_000) == (bytes(range(250)) * 40, True)


@pytest.mark.parametrize("name", ["a.log", "app-01.log", "servicio-2.log", "1", "2026-11-24.log"])
def test_other_names_are_no_rotated_ones(name: str) -> None:
    assert base_of(Path(name)) is None


def test_yesterday_is_told_from_files_that_reach_back(tmp_path: Path) -> None:
    day, hour = 86400, 3600
    lines = [line("Falló", age=day + hour + 60)] + [line("Falló", age=day + n) for n in range(60, 0, -1)]
    write(tmp_path / "a.log.1", ("\n".join(lines) + "\n").encode(), day)
    write(tmp_path / "a.log", (line("nuevo", age=5) + "\n").encode(), 5)
    usual = logs(f"{tmp_path}/a.log").usual(SERVICE)
    assert (usual.errors, usual.per_minute) == (60, 1.0)
    with pytest.raises(ProbeError, match="yesterday"):
        logs(f"{tmp_path}/a.log", max_bytes=Size(4000)).usual(SERVICE)
