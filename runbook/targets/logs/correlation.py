"""What failures have in common that the rest has not: one transaction, one lot, one subsystem. Pure.

Only fields that the site names are looked at, never one of a person; a value in which a datum of a person is found is
not told at all, since masked it would be the same for everybody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from runbook.redact import is_personal, masked_text

#: Fewer failures share everything by chance.
LEAST = 3
#: So much of the failures has the value, and so little of the rest.
MOST_FAILURES, FEW_OTHERS = 0.9, 0.1
#: So much of a value is shown.
LONGEST = 80
Plain = str | int
_PLAIN = (str, int)


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """A field's value that ``failures`` of ``of`` failures have, and ``others`` of ``others_of`` other records.

    ``others_of`` counts the records that name the field at all: where none does, nothing could be compared.
    """

    field: str
    value: str
    failures: int
    of: int
    others: int
    others_of: int


class Tally:
    """How often each value of each field stands in some records."""

    def __init__(self) -> None:
        self.records = 0
        self.values: defaultdict[str, Counter[Plain]] = defaultdict(Counter)

    def add(self, fields: Mapping[str, Plain]) -> None:
        """Count one record."""
        self.records += 1
        for name, value in fields.items():
            self.values[name][value] += 1

    def of(self, field: str) -> Counter[Plain]:
        """How often each value of one field stands here."""
        return self.values[field] if field in self.values else Counter()


def shared(failures: Tally, everything: Tally) -> tuple[Shared, ...]:
    """What the failures share and the rest of everything does not, the most telling first; empty where nothing is.

    ``everything`` holds the failures too.
    """
    if failures.records < LEAST:
        return ()
    found = (_of(field, failures, everything) for field in failures.values)
    telling = (one for one in found if one is not None)
    return tuple(sorted(telling, key=lambda one: (-one.failures, one.others, one.field)))


def keys(names: Iterable[str]) -> tuple[str, ...]:
    """The names without those of persons."""
    return tuple(name for name in names if not is_personal(name))


def fields_of(values: Iterable[tuple[str, Any]]) -> dict[str, Plain]:
    """Those of named values that are words or whole numbers; ``type``, because a truth value is an ``int`` too."""
    return {name: value for name, value in values if type(value) in _PLAIN and value != ""}


def _of(field: str, failures: Tally, everything: Tally) -> Shared | None:
    [(value, count)] = failures.of(field).most_common(1)
    named = everything.of(field)
    others, others_of = named[value] - count, named.total() - failures.of(field).total()
    tells = count >= MOST_FAILURES * failures.records and others <= FEW_OTHERS * others_of
    words = str(value)
    if not tells or masked_text(words) != words:
        return None
    return Shared(
        field=field, value=words[:LONGEST], failures=count, of=failures.records, others=others, others_of=others_of
    )
