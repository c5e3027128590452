"""Invented data of persons and secrets in every field of a run, and the search for them in what is made from it.

None of them exists. Each is written as a target, a log line or a person would write it; what is searched for is its
core without punctuation, so that no escaping hides it.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
from datetime import date
from typing import Any

import msgspec

from runbook.model import (
    Choice,
    Effect,
    Environment,
    Outcome,
    PlanNotice,
    Proof,
    Proven,
    Risk,
    Run,
    Sample,
    State,
    Waived,
)
from runbook.text import Instant, Quantity, Text
from tests.reports import factory

#: As they are written, and what of them must be found nowhere.
CANARIES = {
    "CURP": ("XEXX010101HNEXXXA4", "xexx010101hnexxxa4"),
    "CURP in a name": ("lote_xexx010101hnexxxb2_3", "xexx010101hnexxxb2"),
    "RFC": ("RFC XAXX010101QQ1", "xaxx010101qq1"),
    "e-mail": ("canario.correo@ejemplo.invalid", "canariocorreo"),
    "e-mail in a URL": ("GET /x?a=canariourl%40ejemplo.invalid", "canariourl"),
    "telephone": ("tel. +52 (55) 0000-1357", "00001357"),
    "mobile telephone": ("a +525500002468", "5500002468"),
    "name": ("nombre: Canariana De La Pluma", "canariana"),
    "surname": ("nombre: Canariana De La Pluma", "pluma"),
    "name in JSON": ('{"primer_apellido": "Canariote Plumaje"}', "plumaje"),
    "name in a log's JSON": (r"{\"nombre\": \"Canarilla Plumilla\"}", "plumilla"),
    "name in SQL": ("SET nombre = 'O''Canariez' WHERE", "canariez"),
    "name in a key": ("Key (nombre, folio)=(Canarillo, 3) already exists.", "canarillo"),
    "row": ("Failing row contains (7, Canariano, null).", "canariano"),
    "password": ("password=c4n4rypw", "c4n4rypw"),
    "password of a URL": ("amqp://muses:c4n4ryurl@mq1:5672/", "c4n4ryurl"),
    "password that was cut": ('{"password": "c4n4rycut', "c4n4rycut"),
    "password as an argument": ("pg_x --password c4n4ryarg", "c4n4ryarg"),
    "token": ("Authorization: Bearer c4n4rybearer.c4n4rybearer", "c4n4rybearer"),
    "token of its own form": ("eyJhbGciOiJIUzI1NiJ9.c4n4ryjwtc4n4ry.c4n4ryjwt", "c4n4ryjwt"),
    "access key": ("AKIAC4N4RYC4N4RYC4N4", "akiac4n4ryc4n4ryc4n4"),
}
#: Stands beside each of them, and is found everywhere: what is shown was poisoned.
WITNESS = "testigo"


def planted(words: str) -> Run:
    """A run with a record of every kind, and these words wherever somebody outside could have said something."""
    run = factory.incident()
    records = tuple(msgspec.structs.replace(record, waivers=(_waiver(),), person=_words()) for record in run.records)
    whole = msgspec.structs.replace(
        run,
        records=records,
        readings=(*run.readings, msgspec.structs.replace(run.readings[0], target="scripts")),
        plan_file=_plan(),
        samples=(Sample(at=factory.START, ended_at=factory.at(1), gone=("x",)),),
    )
    poisoned: Run = _planted(whole, words)
    return _with_listing(poisoned, words)


def seen(content: bytes) -> str:
    """What a person or a program could read of an output, in small letters without punctuation."""
    return re.sub(r"[^0-9a-zà-ÿ]", "", html.unescape(_text(content)).lower())


def _text(content: bytes) -> str:
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            return "\n".join(parts.read(name).decode("utf-8", "replace") for name in parts.namelist())
    if content.startswith(b"%PDF"):
        return _text_of_pdf(content)
    return content.decode("utf-8", "replace")


def _text_of_pdf(content: bytes) -> str:
    import pypdf

    document = pypdf.PdfReader(io.BytesIO(content))
    return "\n".join([str(document.metadata), *(page.extract_text() for page in document.pages)])


def _words() -> Text:
    return Text("{said}", {"said": "x"})


def _waiver() -> Waived:
    day = date(2026, 11, 24)
    return Waived(
        owner="x",
        approver="x",
        reason="x",
        start=day,
        expires=day,
        state=State.CRITICAL,
        seen={"x": "x"},
        against=_words(),
    )


def _plan() -> PlanNotice:
    return PlanNotice(
        file="x",
        hash="x",
        rows=("x",),
        steps=1,
        risk=Risk.LOW,
        expires_at=factory.at(60),
        approvals=("x",),
        commands=("x",),
        note=_words(),
        refused={"x": _words()},
    )


def _with_listing(run: Run, words: str) -> Run:
    """The reading of an SQL row, in its own form: its rows become a CSV."""
    listing = {"line": 1, "count": 1, "columns": [f"{words} columna"], "rows": [[words]], "values": None}
    reading = msgspec.structs.replace(run.readings[-1], value={"listings": [listing]})
    first = run.records[1]
    judged = msgspec.structs.replace(first.verdict, readings=(f"{reading.target}.{reading.request}",))
    records = (run.records[0], msgspec.structs.replace(first, verdict=judged), *run.records[2:])
    return msgspec.structs.replace(run, records=records, readings=(*run.readings[:-1], reading))


def _planted(value: Any, words: str) -> Any:
    match value:
        case Text():
            return Text("{said}", {"said": words})
        case Environment():
            names = dict.fromkeys(("site", "name", "host"), words)
            return msgspec.structs.replace(value, versions={words: words}, **names)
        case Quantity() | Instant():
            return value
        case State() | Proof() | Risk() | Effect() | Choice() | Outcome() | Proven():
            return value
        case msgspec.Struct():
            return _fields(value, words)
        case tuple():
            return tuple(_planted(inner, words) for inner in value)
        case dict():
            named = {key: _planted(inner, words) for key, inner in value.items()}
            return named if _is_ours(value) else {words: words, "lista": [words], **named}
        case str():
            return words
        case _:
            return value


def _is_ours(value: dict[str, Any]) -> bool:
    return any(isinstance(inner, Text) for inner in value.values())


def _fields(value: Any, words: str) -> Any:
    """Every field but the model's own words, which come from nobody outside."""
    own = ("direction", "unit")
    new = {name: _planted(getattr(value, name), words) for name in value.__struct_fields__ if name not in own}
    return msgspec.structs.replace(value, **new)
