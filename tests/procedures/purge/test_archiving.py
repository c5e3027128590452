"""What comes into the archive is what was in the table, to the byte, and it is proven before anything goes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyrage
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from procedures.archive.encoding import Encoder, Lines, lines, plain_pieces
from procedures.purge import running
from runbook.errors import ActionError, RunbookError, SettingsError
from runbook.settings import Secret
from tests.faulty_store import faulty_store
from tests.procedures.purge.ground import ARCHIVE, Ground
from tests.procedures.purge.making import (
    DROPOUTS,
    RESPONSES,
    archived,
    at,
    batches_of,
    deleted,
    keys,
    make_table,
    record,
    response,
    stopped,
)
from tests.runbook.targets.servers_postgres import SCHEMA
from tests.store_faults import unencrypted

TABLE = "tbae060_extra"
#: Types, and values of them that break what is not written well.
ODD: dict[str, tuple[str, tuple[str, ...]]] = {
    "texto": ("text", (r"E'a\tb\nc\r\\N\\.'", r"E'\\N'", "''", r"E'\\'", "'ñ 🙂'", "repeat('largo ', 20000)", "NULL")),
    "Año": ("varchar(4)", ("'a b'", "NULL")),
    "relleno": ("char(5)", ("'a'", "''")),
    "letra": ('"char"', ("'x'",)),
    "numero": ("numeric", ("'NaN'", "'Infinity'", "1.500", "-0.000", "1e-30", "repeat('9', 200)::numeric")),
    "flotante": ("double precision", ("'NaN'", "'-Infinity'", "'-0'", "0.1::float8 + 0.2", "5e-324")),
    "corto": ("real", ("1.1", "'NaN'")),
    "momento": ("timestamptz", ("'2024-10-27 01:30:00+02'", "'infinity'", "'0044-03-15 BC'", "'294276-12-31'")),
    "hora": ("timetz", ("'03:04:05.678901-06'", "'24:00:00+00'")),
    "lapso": ("interval", ("'1 mon -2 days +03:04:05.6'", "'-1 year'")),
    "dia": ("date", ("'infinity'", "'2024-02-29'")),
    "bytes": ("bytea", (r"'\x00095c0aff'", "''", "decode(repeat('00ff', 3000), 'hex')")),
    "json": ("jsonb", ("""'{"a": [1.10, null, "\\u00f1\\t"]}'""", "'null'")),
    "json_tal_cual": ("json", ("""'{"b" : 1,  "b": 2}'""",)),
    "lista": ("int[]", ("'{1,NULL,3}'", "'[0:1]={1,2}'", "'{{1,2},{3,4}}'", "'{}'")),
    "textos": ("text[]", (r"""ARRAY[E'a"b', 'NULL', E'c\\,d', '', NULL]""",)),
    "marca": ("uuid", ("'6f1d3c9e-0000-4000-8000-000000000000'",)),
    "red": ("inet", ("'10.0.0.0/8'", "'::1'")),
    "bits": ("bit varying", ("B'0101'", "B''")),
    "rango": ("tstzrange", ("'[2024-01-01 00:00+00,infinity)'", "'empty'")),
    "punto": ("point", ("'(0.1,-0)'",)),
    "busca": ("tsvector", ("'a:1A b:2,3'",)),
    "equis": ("xml", ("'<a b=\"1\">ñ</a>'",)),
    "dinero": ("money", ("'-1234.56'",)),
    "logico": ("boolean", ("true", "NULL")),
    "estado": ("estado_raro", ("'con coma, y \"comillas\"'",)),
    "par": ("par_raro", (r"ROW(E'a\tb', NULL)",)),
    "acotado": ("acotado_raro", ("7",)),
}


@pytest.fixture
def odd(ground: Ground) -> Iterator[Ground]:
    """A table with a column of every odd type, rows with their values, and a copy of all of it."""
    ground.admin.execute(
        "CREATE TYPE estado_raro AS ENUM ('con coma, y \"comillas\"'); CREATE TYPE par_raro AS (a text, b int);"
        "CREATE DOMAIN acotado_raro AS int CHECK (VALUE > 0)"
    )
    columns = ", ".join(f'"{name}" {type}' for name, (type, _) in ODD.items())
    make_table(
        ground.admin,
        TABLE,
        f"quitada int DEFAULT 5, {columns}, doble numeric GENERATED ALWAYS AS (numero * 2) STORED, "
        'serie int GENERATED ALWAYS AS IDENTITY, "MAYÚSCULAS y \'comillas""" int DEFAULT 1, version int DEFAULT 7, '
        "found_at int DEFAULT 8, staged int DEFAULT 9",
    )
    for number in range(max(len(values) for _, values in ODD.values())):
        given = ", ".join(values[number % len(values)] for _, values in ODD.values())
        names = ", ".join(f'"{name}"' for name in ODD)
        ground.admin.execute(
            f"INSERT INTO {TABLE} (uuid, id_estatus_procesamiento, fecha_actualizacion, {names}) "
            f"VALUES ('{number}', 3, '2025-01-01', {given})"
        )
    ground.admin.execute(f"ALTER TABLE {TABLE} DROP COLUMN quitada; ALTER TABLE {TABLE} ADD tardia text DEFAULT E'\\t'")
    ground.admin.execute(f"CREATE TABLE original AS SELECT * FROM {TABLE}")
    yield ground
    ground.admin.execute("DROP TABLE original")


def load(ground: Ground, name: str) -> None:
    """What the archive holds of the odd table, in a table made by the manifest's own words, by COPY alone."""
    from psycopg import sql

    (manifest, found), *_ = batches_of(ground)
    ground.admin.execute(manifest.ddl.replace(TABLE, name))
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in manifest.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(SCHEMA, name), columns)
    with ground.admin.cursor().copy(statement) as copy:
        for line in found:
            copy.write(line.split(b"\t", 2)[2] + b"\n")


@pytest.mark.usefixtures("unguarded")
class TestRoundTrip:
    """Archived and loaded again is as it was."""

    def test_every_odd_value_goes_and_comes_back_bit_for_bit(self, odd: Ground) -> None:
        purged = running.purge(odd.site)
        (table,) = [one for one in purged.tables if one.name == TABLE]
        assert (table.deleted, table.changed) == (7, 0)
        load(odd, "copia")
        odd.admin.execute("SET search_path TO pg_catalog, muses_dev")
        (row,) = odd.admin.execute(
            "SELECT count(*) AS same, (SELECT count(*) FROM copia) AS loaded, (SELECT count(*) FROM original) AS there "
            "FROM copia AS c JOIN original AS o USING (uuid) WHERE ROW(c.*)::record *= ROW(o.*)::record"
        ).fetchall()
        assert (row["same"], row["loaded"], row["there"]) == (7, 7, 7)

    def test_also_where_role_and_database_write_text_otherwise(self, odd: Ground) -> None:
        settings = {
            "TimeZone": "Asia/Kathmandu",
            "DateStyle": "German, DMY",
            "IntervalStyle": "iso_8601",
            "bytea_output": "escape",
            "extra_float_digits": "-10",
            "xmlbinary": "hex",
        }
        for name, value in settings.items():
            odd.admin.execute(f"ALTER ROLE muses_operator SET {name} = '{value}'")
        try:
            purged = running.purge(odd.site)
            assert deleted(purged) == {TABLE: 7}
            ((manifest, _),) = batches_of(odd)
            assert manifest.settings["TimeZone"] == "UTC"
            assert manifest.settings["bytea_output"] == "hex"
            assert (manifest.settings["DateStyle"][:3], manifest.settings["IntervalStyle"]) == ("ISO", "postgres")
        finally:
            odd.admin.execute("ALTER ROLE muses_operator RESET ALL")

    def test_the_manifest_says_all_that_is_needed(self, ground: Ground) -> None:
        for uuid, subsystem, time in (("b", 1, "2025-01-02"), ("a", 2, "2025-01-03"), ("c", None, "2025-01-01")):
            record(ground.admin, uuid, id_subsistema=subsystem, time=time)
        purged = running.purge(ground.site)
        ((manifest, found),) = batches_of(ground)
        assert (manifest.run, manifest.batch, manifest.table, manifest.schema) == (purged.run, 1, DROPOUTS, SCHEMA)
        assert manifest.line == ("ctid", "xmin", *(column.name for column in manifest.columns))
        assert all(len(line.split(b"\t")) == len(manifest.line) for line in found)
        assert (manifest.key, manifest.time_column) == (("uuid",), "fecha_actualizacion")
        assert (manifest.first_key, manifest.last_key) == ("a", "c")
        assert (manifest.oldest, manifest.newest) == ("2025-01-01 00:00:00", "2025-01-03 00:00:00")
        assert manifest.subsystems == {"1": 1, "2": 1, "": 1}
        assert (manifest.content.rows, manifest.object.encryption, manifest.object.compression) == (3, "sse-s3", "zstd")
        (server,) = ground.admin.execute("SELECT system_identifier::text AS id FROM pg_control_system()").fetchall()
        assert manifest.system_identifier == server["id"]

    def test_a_response_whose_own_time_is_not_finite(self, ground: Ground) -> None:
        for time in ("infinity", "-infinity", "2025-01-01"):
            response(ground.admin, record(ground.admin), time=time)
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 3, RESPONSES: 3}
        (told,) = [manifest for manifest, _ in batches_of(ground) if manifest.table == RESPONSES]
        assert (told.oldest, told.newest) == ("2025-01-01 00:00:00", "2025-01-01 00:00:00")


class TestEncryption:
    """What was asked is proven, or nothing goes."""

    def test_with_age_end_to_end(self, ground: Ground) -> None:
        identity = pyrage.x25519.Identity.generate()
        secret = ground.home / "identidad"
        secret.write_text(str(identity))
        record(ground.admin, "a", motivo_baja="secreto de alguien")
        keys_of = {"age_recipients": (str(identity.to_public()),), "age_identity": Secret(file=secret)}
        site = ground.changed(archive={"encryption": "age", **keys_of})
        assert deleted(running.purge(site)) == {DROPOUTS: 1}
        (body,) = _bodies(ground, ".age")
        assert b"secreto" not in body
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(pyrage.decrypt(body, [identity]))
        assert b"secreto de alguien" in plain
        assert plain.split(b"\t")[2] == b"a"

    def test_an_identity_that_does_not_open_it_deletes_nothing(self, ground: Ground) -> None:
        record(ground.admin, "a")
        secret = ground.home / "otra"
        secret.write_text(str(pyrage.x25519.Identity.generate()))
        recipient = str(pyrage.x25519.Identity.generate().to_public())
        site = ground.changed(
            archive={"encryption": "age", "age_recipients": (recipient,), "age_identity": Secret(file=secret)}
        )
        with pytest.raises(RunbookError, match="damaged"):
            running.purge(site)
        assert keys(ground.admin) == {"a"}

    @pytest.mark.parametrize(
        ("recipient", "identity", "setting"),
        [("age1nothing", None, "age_recipients"), (None, "no identity", "age_identity")],
    )
    def test_keys_that_are_none_are_told_by_their_setting(
        self, ground: Ground, recipient: str | None, identity: str | None, setting: str
    ) -> None:
        record(ground.admin, "a")
        made = pyrage.x25519.Identity.generate()
        secret = ground.home / "x"
        secret.write_text(identity or str(made))
        given = {"age_recipients": (recipient or str(made.to_public()),), "age_identity": Secret(file=secret)}
        with pytest.raises(SettingsError) as caught:
            running.purge(ground.changed(archive={"encryption": "age", **given}))
        assert setting in str(caught.value.key)
        assert keys(ground.admin) == {"a"}

    def test_sse_s3_is_proven_by_what_the_server_says_of_each_object(self, ground: Ground) -> None:
        record(ground.admin, "a")
        with faulty_store(ground.servers.storage) as store:
            site = ground.changed(endpoint=store.url)
            with (
                at("exported", lambda: store.inject(unencrypted(), key="*rows.copy.zst*", times=None)),
                pytest.raises(ActionError, match="returned –"),
            ):
                running.purge(site)
            assert keys(ground.admin) == {"a"}
            store.clear()
            assert deleted(running.purge(site)) == {DROPOUTS: 1}
        ((manifest, _),) = batches_of(ground)
        assert manifest.object.encryption == "sse-s3"

    def test_none_is_for_a_server_on_this_machine(self, ground: Ground) -> None:
        record(ground.admin, "a")
        assert deleted(running.purge(ground.changed(archive={"encryption": "none"}))) == {DROPOUTS: 1}
        ((manifest, _),) = batches_of(ground)
        assert manifest.object.encryption == "none"

    def test_the_storage_class_is_that_of_the_settings(self, ground: Ground) -> None:
        record(ground.admin)
        running.purge(ground.changed(archive={"storage_class": "STANDARD_IA"}))
        (found,) = [one for one in _listed(ground) if one["Key"].endswith("rows.copy.zst")]
        assert found["StorageClass"] == "STANDARD_IA"


@pytest.mark.usefixtures("unguarded")
class TestAdopting:
    """What an earlier process archived is taken on if it proves whole, else archived again."""

    def test_what_was_archived_and_not_written_down(self, ground: Ground) -> None:
        record(ground.admin, "a")
        stopped(ground, "manifest written")
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        assert archived(ground) == {DROPOUTS: ["a"]}

    def test_what_has_no_manifest_is_archived_again(self, ground: Ground) -> None:
        record(ground.admin, "a")
        stopped(ground, "object written")
        assert archived(ground) == {}
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        assert archived(ground) == {DROPOUTS: ["a"]}
        assert sum(one["Key"].endswith("rows.copy.zst") for one in _listed(ground)) == 2

    @pytest.mark.parametrize("body", [b"{}", b"[1"])
    def test_a_manifest_that_is_none(self, ground: Ground, body: bytes) -> None:
        record(ground.admin, "a")
        stopped(ground, "manifest written")
        (name,) = [one["Key"] for one in _listed(ground) if one["Key"].endswith("manifest.json")]
        ground.s3.put_object(Bucket=ARCHIVE, Key=name, Body=body)
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        ground.s3.delete_object(Bucket=ARCHIVE, Key=name)
        assert archived(ground) == {DROPOUTS: ["a"]}

    def test_what_changed_since_stays_and_goes_with_the_next_run(self, ground: Ground) -> None:
        record(ground.admin, "a")
        record(ground.admin, "b")
        stopped(ground, "manifest written")
        ground.admin.execute(f"UPDATE {DROPOUTS} SET motivo_baja = 'otro' WHERE uuid = 'a'")
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        assert keys(ground.admin) == {"a"}
        assert deleted(running.purge(ground.site)) == {DROPOUTS: 1}
        assert archived(ground) == {DROPOUTS: ["a", "a", "b"]}


@pytest.mark.usefixtures("unguarded")
class TestReadingBack:
    """An object that is not what was exported is told, and nothing goes."""

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda body: body[:-3], "did not come back"),
            (lambda body: body + b"x", "did not come back"),
            (lambda body: bytes([*body[:20], body[20] ^ 1, *body[21:]]), "did not come back"),
        ],
    )
    def test_its_bytes(self, ground: Ground, monkeypatch: pytest.MonkeyPatch, spoil: Any, said: str) -> None:
        from runbook.targets.s3.objects import ObjectStore

        read = ObjectStore.read

        def spoilt(self: ObjectStore, key: str, version: str | None = None) -> bytes:
            body = read(self, key, version)
            return bytes(spoil(body)) if "rows.copy" in key else body

        record(ground.admin, "a")
        monkeypatch.setattr(ObjectStore, "read", spoilt)
        with pytest.raises(ActionError, match=said):
            running.purge(ground.site)
        assert keys(ground.admin) == {"a"}
        assert archived(ground) == {}

    def test_an_object_that_was_wrong_when_it_was_written(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = Encoder.finish

        def other(self: Encoder) -> bytes:
            finish(self)
            return zstandard.ZstdCompressor().compress(b"(0,1)\t1\ta\n")

        record(ground.admin, "a")
        monkeypatch.setattr(Encoder, "finish", other)
        with pytest.raises(ActionError, match="lines of another table"):
            running.purge(ground.site)
        assert keys(ground.admin) == {"a"}


class TestEncoding:
    """Pure: between rows and bytes."""

    def test_a_frame_that_is_cut_or_followed_is_damaged(self, ground: Ground) -> None:
        settings = ground.site.settings.archive
        encoder = Encoder(settings)
        encoder.feed(b"a\tb\n" * 1000)
        body = encoder.finish()
        assert b"".join(plain_pieces(body, settings, encrypted=False, key="k")) == b"a\tb\n" * 1000
        for wrong in (body[:-1], body[:10], b"", body + b"x", body + body, b"not zstd"):
            with pytest.raises(ActionError, match="k is damaged"):
                list(plain_pieces(wrong, settings, encrypted=False, key="k"))

    def test_lines_across_pieces(self) -> None:
        assert list(lines([b"a\nb", b"c\n", b"\nd\n"], 2)) == [[b"a", b"bc"], [b"", b"d"]]
        with pytest.raises(ValueError, match="cut off"):
            list(lines([b"a\nb"], 2))

    @given(
        texts=st.lists(st.integers(0, 300).map(lambda length: b"x" * length), max_size=60),
        cuts=st.lists(st.integers(0, 9000), max_size=8),
        takes=st.lists(st.integers(1, 20), min_size=1, max_size=80),
    )
    def test_lines_taken_as_they_lie(self, texts: list[bytes], cuts: list[int], takes: list[int]) -> None:
        whole = b"".join(line + b"\n" for line in texts)
        places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
        taking = Lines(whole[start:end] for start, end in pairwise(places))
        at = 0
        for most in takes:
            expected = texts[at : at + most]
            assert taking.take(most) == (b"".join(line + b"\n" for line in expected), len(expected))
            at += len(expected)

    def test_a_last_line_that_is_cut_off_is_not_taken(self) -> None:
        taking = Lines([b"a\n", b"b"])
        assert taking.take(1) == (b"a\n", 1)
        with pytest.raises(ValueError, match="cut off"):
            taking.take(1)


def _listed(ground: Ground) -> list[dict[str, Any]]:
    return list(ground.s3.list_objects_v2(Bucket=ARCHIVE, Prefix=ground.prefix).get("Contents", ()))


def _bodies(ground: Ground, suffix: str) -> list[bytes]:
    found = [one["Key"] for one in _listed(ground) if one["Key"].endswith(suffix)]
    return [ground.s3.get_object(Bucket=ARCHIVE, Key=key)["Body"].read() for key in found]
