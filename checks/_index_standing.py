"""The indexes that stand: which are broken, which say the same twice, which nobody uses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook.text import Text, size, text

if TYPE_CHECKING:
    from runbook.targets.postgres.stored import ForeignKey, IndexUses, StoredIndex


@dataclass(frozen=True)
class Spare:
    """An index that another one makes superfluous: ``same`` in all, or by the beginning of the other's columns."""

    index: StoredIndex
    kept: StoredIndex
    same: bool

    @property
    def said(self) -> Text:
        """For people."""
        named = {"name": self.index.name, "kept": self.kept.name, "table": self.index.table}
        if self.same:
            return text("{name} on {table} is the same as {kept}", **named)
        return text(
            "{name} on {table} ({size}) begins {kept}, which serves the same look-ups",
            **named,
            size=size(self.index.bytes),
        )


def broken(indexes: Iterable[StoredIndex]) -> tuple[StoredIndex, ...]:
    """Those that are not valid and that nobody is building: no query uses them and every write pays for them."""
    return tuple(index for index in indexes if not index.valid and index.phase is None)


def spare(indexes: Sequence[StoredIndex]) -> tuple[Spare, ...]:
    """Those that could go because of another one, each once; of two equal ones the later by name."""
    found: dict[str, Spare] = {}
    for index in sorted(indexes, key=lambda one: one.name, reverse=True):
        others = [one for one in indexes if one.name != index.name and one.name not in found]
        if index.droppable and index.valid and (one := _by_another(index, others)):
            found[index.name] = one
    return tuple(sorted(found.values(), key=lambda one: (not one.same, one.index.table, one.index.name)))


def _by_another(index: StoredIndex, others: Sequence[StoredIndex]) -> Spare | None:
    """An equal one comes before a longer one."""
    good = [one for one in others if one.valid and one.table == index.table]
    equal = next((one for one in good if _same(index, one)), None)
    longer = next((one for one in good if _begins(index, one)), None)
    kept = equal or longer
    return Spare(index, kept, equal is not None) if kept else None


def unused(
    indexes: Iterable[StoredIndex], uses: IndexUses, keys: Iterable[ForeignKey], least_bytes: float
) -> Iterator[StoredIndex]:
    """Those that no server used since counting began and on which nothing else hangs, not even a foreign key."""
    needed = {(key.table, key.column) for key in keys}
    for index in indexes:
        leads = (index.table, index.key[0]) in needed
        may_go = index.droppable and index.valid and not leads and index.bytes >= least_bytes
        if may_go and uses.scans.get(index.name) == 0:
            yield index


def _same(index: StoredIndex, other: StoredIndex) -> bool:
    return _identity(index) == _identity(other)


def _identity(index: StoredIndex) -> tuple[object, ...]:
    return index.method, index.key, index.orders, frozenset(index.included), index.predicate


def _begins(index: StoredIndex, other: StoredIndex) -> bool:
    """Only an ordered index can stand in for a shorter one."""
    length = len(index.key)
    if index.method != "btree" or other.method != "btree" or len(other.key) <= length:
        return False
    begins = other.key[:length] == index.key and other.orders[:length] == index.orders
    return begins and index.predicate == other.predicate and set(index.included) <= {*other.key, *other.included}
