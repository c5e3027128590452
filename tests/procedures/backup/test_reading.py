"""A backup read back: whole to the byte, or an error that names the object; nothing else counts as a proof."""

from __future__ import annotations

import base64
import gc
import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest
import zstandard
from msgspec.structs import replace

from procedures.backup import places, reading, running
from procedures.backup.programs import Failed, Programs, programs_of
from procedures.backup.recording import VerifyCourse
from procedures.backup.sealing import Sealer
from runbook.errors import ActionError, ProbeError
from runbook.model import State
from runbook.settings import BackupSettings, Secret
from runbook.site import Site
from runbook.targets.s3.backups import Manifest
from tests.faulty_store import FaultyStore
from tests.procedures.backup.dying import MARK
from tests.procedures.backup.making import BACKUPS, Case, survivors, the_program
from tests.runbook.targets.servers_postgres import installations, until
from tests.store_faults import Fault, busy, cut_download, deny, error_in_200, fail, truncate, wrong_bytes

pytest_plugins = ("tests.procedures.backup.small_case",)
pytestmark = pytest.mark.usefixtures("small")

PLAIN = BackupSettings()
Prove = Callable[..., None]


@pytest.fixture(scope="module")
def programs() -> Programs:
    return programs_of(17, installations()["wheel"])


@pytest.fixture
def manifest(case: Case, earlier: str) -> Manifest:
    """Of a good backup."""
    return case.published()[earlier]


@pytest.fixture
def prove(case: Case, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prove]:
    """Reads a backup back; afterwards nothing of it runs."""
    monkeypatch.setenv(*MARK.split("="))

    def prove(manifest: Manifest, *, site: Site | None = None, with_programs: Programs = programs) -> None:
        place = places.place_of(site or case.site)
        with closing(places.store_at(place, "reader")) as store:
            reading.prove_whole(store, manifest, place.backup, with_programs)

    yield prove
    gc.collect(1)  # an error still held its frames
    until(lambda: not survivors())
    check_no_threads()


def put(case: Case, key: str, body: bytes) -> str:
    """Another version of an object, as nobody of us writes it."""
    version: str = case.s3.put_object(Bucket=BACKUPS, Key=key, Body=body)["VersionId"]
    return version


def resealed(case: Case, manifest: Manifest, change: Callable[[bytes], bytes]) -> Manifest:
    """The backup with another dump in it: all sums of the manifest fit that one."""
    body = case.body(manifest.object, manifest.version)
    dump = change(zstandard.ZstdDecompressor().decompressobj().decompress(body))
    out = bytearray()
    sealer = Sealer(PLAIN, out.extend)
    sealer.feed(dump)
    sealer.finish()
    return replace(
        manifest,
        version=put(case, manifest.object, bytes(out)),
        bytes=len(out),
        sha256=hashlib.sha256(out).hexdigest(),
        dump_bytes=len(dump),
        dump_sha256=sealer.sha256,
    )


def test_a_good_one_is_proven_and_every_byte_is_told(case: Case, manifest: Manifest, programs: Programs) -> None:
    told: list[int] = []
    reading.prove_whole(case.store, manifest, PLAIN, programs, told.append)
    assert sum(told) == manifest.dump_bytes
    assert len(told) > 10


# What lies there is not what was written -----------------------------------------------------------------------------


def test_data_that_are_gone(case: Case, manifest: Manifest, prove: Prove) -> None:
    case.s3.delete_object(Bucket=BACKUPS, Key=manifest.object, VersionId=manifest.version)
    with pytest.raises(ActionError, match="is damaged: it is gone"):
        prove(manifest)


def test_globals_that_are_gone(case: Case, manifest: Manifest, prove: Prove) -> None:
    assert manifest.globals is not None
    case.s3.delete_object(Bucket=BACKUPS, Key=manifest.globals.object, VersionId=manifest.globals.version)
    with pytest.raises(ActionError, match=r"globals\.sql\.zst is damaged: it is gone"):
        prove(manifest)


def test_data_that_are_hidden_are_read_by_their_version(case: Case, manifest: Manifest, prove: Prove) -> None:
    case.s3.delete_object(Bucket=BACKUPS, Key=manifest.object)
    put(case, manifest.object, b"another")
    prove(manifest)


@pytest.mark.parametrize("share", [0.0, 0.6, 0.9999], ids=["empty", "at 60 %", "the last bytes"])
def test_an_object_that_is_cut(case: Case, manifest: Manifest, prove: Prove, share: float) -> None:
    body = case.body(manifest.object, manifest.version)
    cut = body[: int(len(body) * share)]
    with pytest.raises(ActionError, match="is damaged: it has"):
        prove(replace(manifest, version=put(case, manifest.object, cut)))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.999], ids=["first", "early", "middle", "last"])
def test_a_bit_that_flipped(case: Case, manifest: Manifest, prove: Prove, share: float) -> None:
    body = bytearray(case.body(manifest.object, manifest.version))
    body[int(len(body) * share)] ^= 1
    with pytest.raises(ActionError, match="is damaged"):
        prove(replace(manifest, version=put(case, manifest.object, bytes(body))))


def test_a_bit_that_flipped_in_the_globals(case: Case, manifest: Manifest, prove: Prove) -> None:
    assert manifest.globals is not None
    body = bytearray(case.body(manifest.globals.object, manifest.globals.version))
    body[len(body) // 2] ^= 1
    other = replace(manifest.globals, version=put(case, manifest.globals.object, bytes(body)))
    with pytest.raises(ActionError, match=r"globals\.sql\.zst is damaged"):
        prove(replace(manifest, globals=other))


def test_another_backup_s_data_are_not_this_one_s(case: Case, manifest: Manifest, prove: Prove) -> None:
    """Whole, decompressing, and a dump; but not the one that was made."""
    with pytest.raises(ActionError, match="its bytes are not those that were written"):
        prove(replace(manifest, sha256="0" * 64))
    with pytest.raises(ActionError, match="does not hold what was dumped"):
        prove(replace(manifest, dump_sha256="0" * 64))
    with pytest.raises(ActionError, match="does not hold what was dumped"):
        prove(replace(manifest, dump_bytes=manifest.dump_bytes + 1))


@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_pg_restore_l_exits_0_on_a_dump_cut_at_60_percent(
    case: Case, manifest: Manifest, prove: Prove, programs: Programs, share: float
) -> None:
    """So no list counts: every block is gone through, also where all sums fit."""
    cut = resealed(case, manifest, lambda dump: dump[: int(len(dump) * share)])
    with pytest.raises(Failed, match="pg_restore failed: pg_restore: error"):
        prove(cut)


@pytest.mark.parametrize("dump", [b"-- only words\n", bytes(100_000)], ids=["words", "zeros"])
def test_what_is_no_dump(case: Case, manifest: Manifest, prove: Prove, dump: bytes) -> None:
    with pytest.raises(Failed, match="pg_restore"):
        prove(resealed(case, manifest, lambda _: dump))


# Keys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("trusting")
def test_another_s_identity(case: Case, prove: Prove) -> None:
    ours, theirs = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    for name, identity in (("ours", ours), ("theirs", theirs)):
        (case.home / name).write_text(str(identity))
    recipients = (str(ours.to_public()),)
    site = case.changed(age_recipients=recipients, age_identity=Secret(file=case.home / "ours"))
    made = running.backup(site)
    prove(made.manifest, site=site)
    other = case.changed(age_recipients=(str(theirs.to_public()),), age_identity=Secret(file=case.home / "theirs"))
    with pytest.raises(ActionError, match="encrypted for other keys than"):
        prove(made.manifest, site=other)
    assert made.manifest.encryption.client == "age"
    assert made.manifest.object.endswith(".zst.age")


@pytest.mark.usefixtures("trusting")
def test_another_customer_s_key(case: Case, prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, byte in (("MUSES_OURS", b"a"), ("MUSES_THEIRS", b"b")):
        monkeypatch.setenv(name, base64.b64encode(byte * 32).decode())
    site = case.changed(encryption="sse-c", customer_key=Secret(env="MUSES_OURS"))
    made = running.backup(site)
    assert made.manifest.encryption.server == "SSE-C"
    prove(made.manifest, site=site)
    for wrong in (case.changed(encryption="sse-c", customer_key=Secret(env="MUSES_THEIRS")), case.site):
        with pytest.raises(ProbeError):
            prove(made.manifest, site=wrong)


# The way -------------------------------------------------------------------------------------------------------------

PASSING: dict[str, Callable[[], Fault]] = {
    "500": fail,
    "503": busy,
    "cut": cut_download,
    "truncated": truncate,
    "an error for the bytes": error_in_200,
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_made_good(
    case: Case, manifest: Manifest, prove: Prove, faults: FaultyStore, fault: Callable[[], Fault]
) -> None:
    put = faults.inject(fault(), operation="GetObject", key="*/data*")
    prove(manifest, site=case.changed(endpoint=faults.url))
    assert put.hits == 1


@pytest.mark.parametrize("key", ["*/data*", "*/globals*"])
@pytest.mark.parametrize("fault", {**PASSING, "denied": deny}.values(), ids={**PASSING, "denied": deny}.keys())
def test_what_lasts_is_not_taken_for_damage(
    case: Case, manifest: Manifest, prove: Prove, faults: FaultyStore, fault: Callable[[], Fault], key: str
) -> None:
    """Could not see is not could not be read: nobody throws a backup away because a network was down."""
    faults.inject(fault(), operation="GetObject", key=key, times=None)
    with pytest.raises(ProbeError):
        prove(manifest, site=case.changed(endpoint=faults.url))


def test_wrong_bytes_on_the_way(case: Case, manifest: Manifest, prove: Prove, faults: FaultyStore) -> None:
    faults.inject(wrong_bytes(), operation="GetObject", key="*/data*")
    with pytest.raises(ActionError, match="is damaged"):
        prove(manifest, site=case.changed(endpoint=faults.url))


@pytest.mark.parametrize("script", ["exit 0", "head -c 1000 >/dev/null; exit 0", "exec sleep 0.2"])
def test_a_pg_restore_that_reads_nothing_proves_nothing(
    manifest: Manifest, prove: Prove, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(reading, "_PIPE", 4096)  # a dump is more than what fits between two programs
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "pg_restore").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pg_restore").chmod(0o755)
    with pytest.raises(Failed, match="pg_restore"):
        prove(manifest, with_programs=Programs(folder, 17))


def test_pg_restore_killed_in_the_middle(
    case: Case, manifest: Manifest, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*MARK.split("="))

    killed: list[int] = []

    def kill(done: int) -> None:
        if not killed:
            killed.append(the_program("pg_restore"))
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(Failed, match="exit -9"):
        reading.prove_whole(case.store, manifest, PLAIN, programs, kill)


# As a run ------------------------------------------------------------------------------------------------------------


def verified(site: Site, folder: str | None = None) -> State:
    course = VerifyCourse(site, "t", folder=folder)
    course.look()
    return course.record(execute=False).verdict.state


@pytest.fixture
def ours(case: Case, programs: Programs) -> Site:
    return case.changed(programs=programs.folder)


def test_verify_tells_whole_from_damaged(case: Case, earlier: str, manifest: Manifest, ours: Site) -> None:
    assert verified(ours) is State.OK
    assert verified(ours, earlier) is State.OK
    assert verified(ours, earlier.strip("/").rpartition("/")[2]) is State.OK
    case.s3.delete_object(Bucket=BACKUPS, Key=manifest.object, VersionId=manifest.version)
    assert verified(ours) is State.CRITICAL


def test_verify_of_nothing_is_unknown(case: Case, ours: Site) -> None:
    assert verified(ours) is State.UNKNOWN
    assert verified(ours, "2026-01-01T0330-0000") is State.UNKNOWN


def test_verify_passes_over_a_manifest_that_it_cannot_read(case: Case, earlier: str, ours: Site) -> None:
    case.s3.put_object(Bucket=BACKUPS, Key=f"{case.prefix}2026-01-01T0330-0000/manifest.json", Body=b"{")
    assert verified(ours) is State.OK


@pytest.mark.parametrize("said", [{"server_version": ""}, {"dump_bytes": 0}], ids=["version", "bytes"])
def test_verify_of_what_does_not_say_how_to_restore_it(
    case: Case, earlier: str, ours: Site, said: dict[str, Any]
) -> None:
    """Other makers' manifests may say less than what reading back takes."""
    body = {**msgspec.json.decode(case.body(f"{earlier}manifest.json")), **said}
    case.s3.put_object(Bucket=BACKUPS, Key=f"{earlier}manifest.json", Body=msgspec.json.encode(body))
    assert verified(ours) is State.CRITICAL


def test_a_manifest_is_read_as_it_was_written(case: Case, earlier: str) -> None:
    body = case.body(f"{earlier}manifest.json")
    assert msgspec.json.decode(msgspec.json.encode(case.published()[earlier])) == msgspec.json.decode(body)


def check_no_threads() -> None:
    ours = ("download", "(feed)", "(decrypt)")
    until(lambda: not [one for one in threading.enumerate() if any(name in one.name for name in ours)])
