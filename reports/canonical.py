"""The run as canonical JSON: the record that every other format is made from, versioned, sorted and stable.

The same run gives the same bytes. The form grows by addition; a file of a newer schema is refused by name instead of
being half understood.
"""

from __future__ import annotations

import msgspec

from reports.clean import outgoing
from runbook.errors import ReportError
from runbook.model import SCHEMA_VERSION, Run
from runbook.text import text


class _Version(msgspec.Struct):
    schema: int


#: What JSON has no form for, somewhere in free-form data, is kept as its words: no record is lost over it.
_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=str)


def dump(run: Run) -> bytes:
    """The run as UTF-8 JSON with sorted keys and a newline at its end, masked once more."""
    return _ENCODER.encode(outgoing(run)) + b"\n"


def load(data: bytes) -> Run:
    """The run in such a file, masked by the rules of today.

    Raises ReportError that says what is wrong with the file and where.
    """
    schema = _schema(data)
    if schema > SCHEMA_VERSION:
        raise ReportError(
            text(
                "The run is of schema {schema}, this muses-runbook reads up to {known}: use a newer one",
                schema=schema,
                known=SCHEMA_VERSION,
            )
        )
    try:
        return outgoing(msgspec.json.decode(data, type=Run))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReportError(text("The file is no run of muses-runbook: {error}", error=error)) from error


def _schema(data: bytes) -> int:
    try:
        return msgspec.json.decode(data, type=_Version).schema
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReportError(text("The file is no run of muses-runbook: {error}", error=error)) from error
