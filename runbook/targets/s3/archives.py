"""The archive of the exchange tables: what a batch says of itself, and the batches that are published.

A batch is a folder with one object of rows and its manifest, which is written last: what has no manifest is not
archived. The rows are COPY text of PostgreSQL, compressed with zstd and perhaps encrypted with age, so that the tools
of any machine can read them; the manifest holds what is needed to load them.

    <prefix><database>/<schema>.<table>/<run>/batch-00007-<attempt>/rows.copy.zst[.age]
                                                                  /manifest.json
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from runbook.learnt import learnt

MANIFEST = "manifest.json"
FORMAT = 1


class Column(msgspec.Struct, frozen=True):
    """A column of the archived table, with its type as PostgreSQL writes it."""

    name: str
    type: str


class ArchivedObject(msgspec.Struct, frozen=True, kw_only=True):
    """The object of rows: which version of which key, and what must come back when it is read.

    ``bytes`` and ``sha256`` are of the object as it lies there; ``encryption`` is how it was proven to be encrypted.
    """

    key: str
    version: str | None
    bytes: int
    sha256: str
    encryption: str
    compression: str = "zstd"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The rows themselves, decrypted and decompressed: how many lines, bytes, and the SHA-256 of all of them."""

    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one archived batch. Published by being there.

    Each line of the object is ``ctid``, ``xmin`` and the ``columns``, as COPY text with tabs between (``line`` names
    them). ``cutoff`` is the literal that the rows' ``time_column`` was before, in the column's own terms.
    ``first_key`` and ``last_key`` are the ends of the rows' keys (of the key's first column, numbers as numbers,
    anything else by its bytes), ``oldest`` and ``newest`` those of their times; ``subsystems`` counts rows by subsystem
    ("" is none). ``settings`` are the session's when the text was made.
    """

    run: str
    batch: int
    attempt: str
    database: str
    schema: str
    table: str
    system_identifier: str
    server_version: str
    ddl: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time_column: str | None
    cutoff: str
    object: ArchivedObject
    content: Content
    first_key: str | None = None
    last_key: str | None = None
    oldest: str | None = None
    newest: str | None = None
    subsystems: dict[str, int] = {}
    settings: dict[str, str] = {}
    line: tuple[str, ...] = ()
    created_at: datetime
    format: int = FORMAT


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """One published batch: where its manifest lies, and the manifest, or the ``problem`` with it."""

    key: str
    published_at: datetime
    manifest: Manifest | None = None
    problem: str | None = None


def encoded(manifest: Manifest) -> bytes:
    """The manifest as it is written: JSON that people can read too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def decoded(body: bytes) -> Manifest:
    """The manifest in ``body``. Raises ValueError for what is none, or of a format that is not known."""
    found: Any = msgspec.json.decode(body)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError("not a manifest of a known format")
    return msgspec.convert(found, learnt(Manifest), strict=False)


def table_prefix(prefix: str, database: str, schema: str, table: str) -> str:
    """Where all batches of one table lie."""
    return f"{prefix}{quote(database)}/{quote(schema)}.{quote(table)}/"


def batch_folder(
    prefix: str, database: str, schema: str, table: str, run: str, batch: int, attempt: str, *, part: str | None = None
) -> str:
    """Where one attempt at one batch lies; attempts never share a folder, so nothing is ever written over.

    ``part`` is the name of a partition, None of an undivided table.
    """
    within = f"{quote(part, safe='')}/" if part else ""
    return f"{table_prefix(prefix, database, schema, table)}{run}/{within}batch-{batch:05d}-{attempt}/"
