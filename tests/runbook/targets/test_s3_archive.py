"""The archive's probes against a real S3 server: which batches are the newest, and what reading one back finds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lab.place import Place
from runbook.targets.s3 import archive_probes, archives
from runbook.targets.s3.archive_probes import Damage, Sampled
from runbook.targets.s3.archives import ArchivedObject, Column, Content, Manifest
from tests.runbook.targets.servers_storage import root, storage_server

BUCKET, PREFIX = "muses-archivo", "tbae/"
TODAY = date(2026, 11, 24)
PLAIN = b"".join(b"(0,%d)\t7\tuuid-%d\t2026-01-01 00:00:00\n" % (n, n) for n in range(1, 2001))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with storage_server(tmp_path_factory.mktemp("storage")) as place:
        s3 = root(place)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield place


@pytest.fixture
def s3(server: Place) -> Any:
    """A client of the owner, with the bucket empty: no version of anything is left."""
    client = root(server)
    found = client.list_object_versions(Bucket=BUCKET)
    for one in (*found.get("Versions", ()), *found.get("DeleteMarkers", ())):
        client.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    return client


def publish(
    s3: Any,
    *,
    table: str = "tbae001_inscripcion",
    run: str = "r1",
    batch: int = 1,
    plain: bytes = PLAIN,
    **changes: Any,
) -> Manifest:
    """A batch as the purge writes it: the object first, the manifest last."""
    folder = archives.batch_folder(PREFIX, "sep_muses", "muses_dev", table, run, batch, "a0")
    body = changes.pop("body", None) or zstandard.ZstdCompressor().compress(plain)
    key = f"{folder}rows.copy.zst{changes.pop('ending', '')}"
    version = s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]
    stored = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **changes.pop("object", {})}
    held = {"rows": plain.count(b"\n"), "bytes": len(plain), "sha256": hashlib.sha256(plain).hexdigest()}
    manifest = Manifest(
        run=run,
        batch=batch,
        attempt="a0",
        database="sep_muses",
        schema="muses_dev",
        table=table,
        system_identifier="7",
        server_version="17.10",
        ddl="CREATE TABLE …",
        columns=(Column("uuid", "text"),),
        key=("uuid",),
        time_column="fecha_actualizacion",
        cutoff="2026-08-26 00:00:00",
        object=ArchivedObject(key=key, version=version, **{"encryption": "none", **stored}),
        content=Content(**{**held, **changes.pop("content", {})}),
        created_at=datetime.now(UTC),
    )
    s3.put_object(Bucket=BUCKET, Key=f"{folder}manifest.json", Body=archives.encoded(manifest))
    return manifest


def read_back(s3: Any) -> Sampled:
    found = archive_probes.sample(s3, BUCKET, PREFIX, 1, TODAY)
    assert found.published == 1
    (only,) = found.batches
    return only


class TestNewest:
    """Which batches are the newest."""

    def test_of_an_empty_archive_there_is_none(self, s3: Any) -> None:
        assert archive_probes.newest(s3, BUCKET, PREFIX) == ()

    def test_the_newest_of_each_table_by_the_time_of_its_manifest(self, s3: Any) -> None:
        for batch in (3, 2, 1):  # the last one written has the smallest name
            publish(s3, batch=batch)
        publish(s3, table="tbae002_bajas")
        found = archive_probes.newest(s3, BUCKET, PREFIX)
        named = [(batch.manifest.table, batch.manifest.batch) for batch in found if batch.manifest]
        assert sorted(named) == [("tbae001_inscripcion", 1), ("tbae001_inscripcion", 2), ("tbae002_bajas", 1)]
        assert [b.published_at for b in found] == sorted((b.published_at for b in found), reverse=True)
        assert datetime.now(UTC) - found[0].published_at < timedelta(minutes=1)

    def test_an_object_without_a_manifest_is_not_published(self, s3: Any) -> None:
        manifest = publish(s3)
        s3.delete_object(Bucket=BUCKET, Key=manifest.object.key.replace("rows.copy.zst", "manifest.json"))
        assert archive_probes.newest(s3, BUCKET, PREFIX) == ()

    @pytest.mark.parametrize("body", [b"{", b"[]", b'{"format": 2}', b'{"format": 1}'], ids=repr)
    def test_a_manifest_that_cannot_be_read_is_told_and_hides_nothing(self, s3: Any, body: bytes) -> None:
        publish(s3)
        folder = archives.batch_folder(PREFIX, "sep_muses", "muses_dev", "tbae001_inscripcion", "r2", 1, "a0")
        s3.put_object(Bucket=BUCKET, Key=f"{folder}manifest.json", Body=body)
        found = archive_probes.newest(s3, BUCKET, PREFIX)
        assert sorted(batch.manifest is None for batch in found) == [False, True]
        assert all(batch.problem for batch in found if batch.manifest is None)


class TestSample:
    """What reading a batch back finds."""

    def test_a_whole_one_is_decoded_and_counted(self, s3: Any) -> None:
        manifest = publish(s3)
        found = read_back(s3)
        assert (found.damage, found.depth, found.rows) == (None, "decoded", 2000)
        assert found.bytes == manifest.object.bytes
        assert found.key.endswith("/manifest.json")

    def test_an_empty_archive_gives_no_sample(self, s3: Any) -> None:
        assert archive_probes.sample(s3, BUCKET, PREFIX, 1, TODAY) == archive_probes.Sample(batches=(), published=0)

    def test_a_flipped_bit(self, s3: Any) -> None:
        good = zstandard.ZstdCompressor().compress(PLAIN)
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        publish(s3, body=bytes(bad), object={"sha256": hashlib.sha256(good).hexdigest()})
        assert read_back(s3).damage is Damage.HASH

    def test_one_that_is_cut(self, s3: Any) -> None:
        good = zstandard.ZstdCompressor().compress(PLAIN)
        publish(s3, body=good[: len(good) // 2], object={"bytes": len(good)})
        found = read_back(s3)
        assert (found.damage, found.reason) == (Damage.SIZE, f"{len(good) // 2} ≠ {len(good)} B")

    def test_one_that_was_cut_before_it_was_hashed(self, s3: Any) -> None:
        publish(s3, body=zstandard.ZstdCompressor().compress(PLAIN)[:-20])
        assert read_back(s3).damage in (Damage.COMPRESSION, Damage.ROWS)

    def test_one_that_is_no_zstd(self, s3: Any) -> None:
        publish(s3, body=b"gzip it is not either")
        assert read_back(s3).damage is Damage.COMPRESSION

    @pytest.mark.parametrize(
        "content", [{"rows": 1999}, {"bytes": len(PLAIN) + 1}, {"sha256": "0" * 64}], ids=["rows", "bytes", "digest"]
    )
    def test_one_with_other_rows_than_its_manifest_says(self, s3: Any, content: dict[str, Any]) -> None:
        publish(s3, content=content)
        assert read_back(s3).damage is Damage.ROWS

    def test_no_more_is_unpacked_than_is_promised(self, s3: Any) -> None:
        publish(s3, plain=b"\n" * (64 << 20), content={"bytes": 10})
        found = read_back(s3)
        assert found.damage is Damage.ROWS
        assert int(found.reason.split()[0]) <= 2 << 20

    def test_one_whose_object_is_gone(self, s3: Any) -> None:
        manifest = publish(s3)
        s3.delete_object(Bucket=BUCKET, Key=manifest.object.key, VersionId=manifest.object.version)
        found = read_back(s3)
        assert (found.damage, found.reason) == (Damage.GONE, manifest.object.key)

    def test_one_that_was_written_over_is_read_by_its_version(self, s3: Any) -> None:
        manifest = publish(s3)
        s3.put_object(Bucket=BUCKET, Key=manifest.object.key, Body=b"something else")
        assert (read_back(s3).damage, read_back(s3).depth) == (None, "decoded")

    def test_what_age_encrypted_is_hashed_only(self, s3: Any) -> None:
        publish(s3, body=b"age-encryption.org/v1 and so on", ending=".age", object={"encryption": "age"})
        assert (read_back(s3).damage, read_back(s3).depth) == (None, "hashed")

    def test_what_age_encrypted_and_somebody_changed(self, s3: Any) -> None:
        publish(s3, body=b"age-encryption.org/v1", ending=".age", object={"encryption": "age", "sha256": "0" * 64})
        assert read_back(s3).damage is Damage.HASH

    def test_one_too_large_for_a_check_stays_unread(self, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        publish(s3)
        monkeypatch.setattr(archive_probes, "LARGEST", 10)
        assert (read_back(s3).damage, read_back(s3).depth) == (None, "unread")

    def test_a_manifest_that_cannot_be_read(self, s3: Any) -> None:
        manifest = publish(s3)
        s3.put_object(Bucket=BUCKET, Key=manifest.object.key.replace("rows.copy.zst", "manifest.json"), Body=b"{")
        found = read_back(s3)
        assert found.damage is Damage.MANIFEST
        assert found.reason

    def test_what_it_gives_can_be_taken_apart_and_put_together(self, s3: Any) -> None:
        publish(s3)
        found = archive_probes.sample(s3, BUCKET, PREFIX, 3, TODAY)
        assert len(found.batches) == 1
        assert msgspec.convert(msgspec.to_builtins(found), archive_probes.Sample) == found


class TestTurn:
    """Whose turn it is: nobody is left out for ever."""

    @given(published=st.integers(1, 2000), count=st.integers(1, 5), first=st.dates(date(2026, 1, 1), date(2060, 1, 1)))
    def test_in_thrice_as_many_days_everybody_has_a_turn(self, published: int, count: int, first: date) -> None:
        seen: set[int] = set()
        for day in range(3 * -(-published // count)):
            seen.update(archive_probes.turn(published, count, first + timedelta(days=day)))
        assert seen == set(range(published))

    @given(first=st.dates(date(2026, 1, 1), date(2060, 1, 1)), weekly=st.integers(0, 10))
    def test_nobody_is_forgotten_while_others_come(self, first: date, weekly: int) -> None:
        seen: set[int] = set()
        for day in range(365 + 3 * (100 + 52 * weekly)):
            seen.update(archive_probes.turn(100 + min(day // 7, 52) * weekly, 1, first + timedelta(days=day)))
        assert set(range(100)) <= seen

    @given(published=st.integers(0, 5000), count=st.integers(1, 9), day=st.dates())
    def test_as_many_as_asked_for_each_once(self, published: int, count: int, day: date) -> None:
        found = archive_probes.turn(published, count, day)
        assert len(set(found)) == len(found) == min(count, published)
        assert all(0 <= place < published for place in found)
