"""What SQL rows found as CSV beside the report, and the SHA-256 of each file for whoever audits it.

Made from the run's own readings: the same run gives the same bytes, whenever its reports are written.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from reports.clean import printable
from runbook.model import Record, Run
from runbook.redact import masked_text
from runbook.text import Quantity

#: A cell that begins so is a formula to a spreadsheet; a negative number is none.
_FORMULA = re.compile(r"[=+@\t\r]|-(?!\d+(?:\.\d+)?\Z)")
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class FoundFile(msgspec.Struct, frozen=True):
    """One CSV: ``rows`` are in it, ``count`` were found."""

    name: str
    rows: int
    count: int
    sha256: str
    content: bytes


def files(run: Run, stem: str) -> dict[str, tuple[FoundFile, ...]]:
    """The files of each row that has any, in the order of its statements; ``stem`` begins their names."""
    readings = {f"{reading.target}.{reading.request}": reading.value for reading in run.readings}
    found = ((record, tuple(_of_record(record, readings, stem))) for record in run.records)
    return {record.row: made for record, made in found if made}


def manifest(found: Mapping[str, tuple[FoundFile, ...]]) -> bytes:
    """The hashes in the form that ``sha256sum --check`` reads."""
    lines = (f"{file.sha256}  {file.name}\n" for made in found.values() for file in made)
    return "".join(lines).encode()


def _of_record(record: Record, readings: Mapping[str, Any], stem: str) -> Iterator[FoundFile]:
    for request in record.verdict.readings:
        value = readings.get(request)
        for listing in value.get("listings", ()) if isinstance(value, dict) else ():
            rows = list(_beyond(listing, record))
            if listing["count"] and rows and not listing.get("counted"):
                name = f"{stem}.{_NAME.sub('-', masked_text(record.row))[:60]}.{listing['line']}.csv"
                content = _csv(listing["columns"], rows)
                count = len(rows) if listing.get("values") is not None else listing["count"]
                yield FoundFile(name, len(rows), count, hashlib.sha256(content).hexdigest(), content)


def _beyond(listing: Mapping[str, Any], record: Record) -> Iterator[list[str | None]]:
    """The rows that breach a limit on their column; all of them where the number of rows decides."""
    values = listing.get("values")
    if values is None:
        yield from listing["rows"]
        return
    limits = [(m.direction, limit) for m in record.verdict.measures if (limit := _least(m.warning, m.critical))]
    for row, value in zip(listing["rows"], values, strict=False):
        if any(value > limit if direction == "above" else value < limit for direction, limit in limits[:1]):
            yield row


def _least(*limits: object) -> float | None:
    """The limit that is reached first: the warning where there is one."""
    return next((limit.value for limit in limits if isinstance(limit, Quantity)), None)


def _csv(columns: list[str], rows: list[list[str | None]]) -> bytes:
    """With a mark of its encoding, which spreadsheets need to read accents."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(_cell, columns))
    writer.writerows(map(_cell, row) for row in rows)
    return text.getvalue().encode("utf-8-sig", "replace")


def _cell(value: str | None) -> str:
    words = printable(masked_text(value or ""))
    return f"'{words}" if _FORMULA.match(words) else words
