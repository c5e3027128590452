"""The archive is read back whole, and everything that is not as its manifest says is found and named."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from lab.place import ARCHIVE_BUCKET, Place
from procedures.archive.reading import Archive, Selection, published
from procedures.archive.verifying import Verification, verify
from procedures.archive.watching import Progress
from runbook.errors import ProbeError
from runbook.targets.s3.archives import MANIFEST, encoded
from tests.procedures.archiver import Archiver, enrol
from tests.runbook.targets.servers_postgres import Connection
from tests.runbook.targets.servers_storage import root

TABLE = "tbae001_inscripcion"


def the_problem(found: Verification) -> tuple[str, bool]:
    """What the only batch's problem says, and whether it is known to be damaged."""
    (problem,) = found.problems
    assert not found.good
    return str(problem.said), problem.damaged


def test_what_was_archived_is_proven(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(30))
    archiver.archive(TABLE, "id_subsistema < 6")
    archiver.archive(TABLE, "id_subsistema >= 6")
    archiver.archive("tbae009_respuesta")
    steps: list[Progress] = []
    found = verify(archive, Selection(), watch=steps.append)
    assert (found.rows, len(found.good), found.published, found.problems) == (60, 3, 3, ())
    assert steps[-1] == Progress(3, 3, 60, steps[-1].table)


def test_a_sample_is_chosen_from_all(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(5))
    for _ in range(5):
        archiver.archive(TABLE)
    found = verify(archive, Selection(), sample=2)
    assert (len(found.batches), found.published) == (2, 5)


def test_batches_are_chosen_by_what_their_manifests_say(
    archive: Archive, archiver: Archiver, admin: Connection
) -> None:
    enrol(admin, [1], "2025-03-01 00:00:00")  # subsystem 2
    enrol(admin, [2], "2025-03-31 23:59:59.999999")  # subsystem 3
    archiver.archive(TABLE, "id_subsistema = 2", run="A")
    archiver.archive(TABLE, "id_subsistema = 3", run="B")
    archiver.archive("tbae009_respuesta", run="B")

    def chosen(**asked: object) -> list[int]:
        return [one.manifest.batch for one in published(archive, msgspec.convert(asked, Selection)).batches]

    assert chosen() == [1, 2, 3]
    assert chosen(tables=("tbae001*",)) == [1, 2]
    assert chosen(run="B") == [2, 3]
    assert chosen(tables=(TABLE,), subsystem=3) == [2]
    assert chosen(tables=(TABLE,), since="2025-03-31") == [2]
    assert chosen(tables=(TABLE,), until="2025-03-31") == [1]
    assert chosen(tables=(TABLE,), since="2025-03-02", until="2025-03-31") == []


def flipped(body: bytes) -> bytes:
    """One bit in the middle is another."""
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda body: body[:-10], "bytes in place of"),
        (lambda body: b"", "bytes in place of"),
        (flipped, "the SHA-256 of its object"),
    ],
    ids=["cut", "empty", "bit"],
)
def test_an_object_that_lies_there_otherwise_is_damaged(
    archive: Archive, archiver: Archiver, admin: Connection, spoil: Callable[[bytes], bytes], words: str
) -> None:
    enrol(admin, range(3))
    archiver.archive(TABLE, spoil=spoil)
    said, damaged = the_problem(verify(archive, Selection()))
    assert words in said
    assert damaged


@pytest.mark.parametrize("version", ["wrong", "4b1a0f1c-9d5b-4d0e-8d46-0d3b6a0c7f11"])
def test_another_version_is_not_the_object(
    archive: Archive, archiver: Archiver, admin: Connection, version: str
) -> None:
    enrol(admin, range(3))
    right = archiver.archive(TABLE, publish=False)
    wrong = msgspec.structs.replace(right, object=msgspec.structs.replace(right.object, version=version))
    archiver.store.put_new(right.object.key.rpartition("/")[0] + "/" + MANIFEST, encoded(wrong))
    said, damaged = the_problem(verify(archive, Selection()))
    assert "is not there" in said
    assert damaged


def test_an_object_that_is_gone_is_damage(
    archive: Archive, archiver: Archiver, admin: Connection, storage_place: Place
) -> None:
    enrol(admin, range(3))
    there = archiver.archive(TABLE).object
    root(storage_place).delete_object(Bucket=ARCHIVE_BUCKET, Key=there.key, VersionId=there.version)
    said, damaged = the_problem(verify(archive, Selection()))
    assert "is not there" in said
    assert damaged


def test_a_deletion_marker_hides_nothing(
    archive: Archive, archiver: Archiver, admin: Connection, storage_place: Place
) -> None:
    enrol(admin, range(3))
    there = archiver.archive(TABLE).object
    root(storage_place).delete_object(Bucket=ARCHIVE_BUCKET, Key=there.key)
    assert verify(archive, Selection()).rows == 3


def test_without_its_manifest_a_batch_is_not_archived(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(3))
    archiver.archive(TABLE, publish=False)
    found = verify(archive, Selection())
    assert (found.batches, found.problems, found.published) == ((), (), 0)


@pytest.mark.parametrize(
    ("body", "words", "damaged"),
    [
        (b'{"format": 2, "rows": {"new": "shape"}}', "has format 2", False),
        (b'{"format": 1, "run": "R1"}', "cannot be read", True),
        (b'{"format": ', "cannot be read", True),
        (b"[]", "cannot be read", True),
        (b"", "cannot be read", True),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told(
    archive: Archive, archiver: Archiver, body: bytes, words: str, damaged: bool
) -> None:
    archiver.store.put_new(f"{archive.prefix}{TABLE}/R9/batch-00001-a1/{MANIFEST}", body)
    said, known_bad = the_problem(verify(archive, Selection(tables=(TABLE,), run="R9")))
    assert words in said
    assert known_bad is damaged
    assert verify(archive, Selection(run="R1")).problems == ()
    assert verify(archive, Selection(tables=("tbae002_bajas",))).problems == ()


def test_a_manifest_of_another_batch_is_found_out(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(3))
    copied = archiver.archive(TABLE)
    archiver.store.put_new(f"{archive.prefix}{TABLE}/R1/batch-00099-a1/{MANIFEST}", encoded(copied))
    found = verify(archive, Selection())
    assert [str(problem.said) for problem in found.problems] == [
        f"its manifest names an object of another batch: {copied.object.key}"
    ]


def test_rows_are_counted_again(archive: Archive, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(3))
    right = archiver.archive(TABLE, publish=False)
    for number, (wrong, words) in enumerate(
        (
            ({"content": msgspec.structs.replace(right.content, rows=4)}, "it holds 3 rows in place of 4"),
            ({"content": msgspec.structs.replace(right.content, sha256="0" * 64)}, "the SHA-256 of its rows"),
            ({"columns": right.columns[:-1]}, "a line does not have 59 fields"),
        ),
        2,
    ):
        archiver.archive(TABLE, run=f"W{number}", **wrong)  # type: ignore[arg-type]
        said, damaged = the_problem(verify(archive, Selection(run=f"W{number}")))
        assert words in said
        assert damaged


def test_a_list_that_fails_is_an_error(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive.store, "bucket", "there-is-no-such-bucket")
    with pytest.raises(ProbeError):
        verify(archive, Selection())
