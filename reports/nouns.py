"""The nouns that quantities count: English singular and plural; the catalogue holds the other languages.

A unit in ``Quantity(3, "message")`` or ``Threshold(…, unit="messages")`` is one of these, in either form;
``python -m reports.catalogue check`` names a unit that is not.
"""

from __future__ import annotations

NOUNS: tuple[tuple[str, str], ...] = (
    ("action", "actions"),
    ("attempt", "attempts"),
    ("backup", "backups"),
    ("batch", "batches"),
    ("cause", "causes"),
    ("character", "characters"),
    ("connection", "connections"),
    ("consumer", "consumers"),
    ("core", "cores"),
    ("day", "days"),
    ("error", "errors"),
    ("event", "events"),
    ("file", "files"),
    ("finding", "findings"),
    ("host", "hosts"),
    ("index", "indexes"),
    ("kill", "kills"),
    ("line", "lines"),
    ("lock", "locks"),
    ("message", "messages"),
    ("object", "objects"),
    ("queue", "queues"),
    ("reading", "readings"),
    ("record", "records"),
    ("replica", "replicas"),
    ("restart", "restarts"),
    ("row", "rows"),
    ("sample", "samples"),
    ("session", "sessions"),
    ("statement", "statements"),
    ("step", "steps"),
    ("table", "tables"),
    ("time", "times"),
    ("unit", "units"),
    ("value", "values"),
    ("worker", "workers"),
)

#: Either form → both forms.
FORMS: dict[str, tuple[str, str]] = {form: pair for pair in NOUNS for form in pair}
