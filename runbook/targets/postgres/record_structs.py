"""What the probes of the records give: what stands in the tables, what was answered, what is missing."""

from __future__ import annotations

from datetime import date, timedelta

from runbook.targets.postgres.structs import Noun


class Standing(Noun, frozen=True, kw_only=True):
    """The records of one exchange table with the same status and subsystem.

    ``status`` is the status's name, empty where the catalogue has none; ``ended``: nothing more happens in it.
    ``oldest`` and ``newest`` are the ages of the first and the last of them, None where none has a time; ``days`` are
    the days of the site's calendar on which some came. Where the table has no subsystem it is None.
    """

    table: str
    status_id: int | None
    status: str
    ended: bool
    subsystem_id: int | None
    records: int
    null_times: int
    oldest: timedelta | None
    newest: timedelta | None
    days: tuple[date, ...]


class CatalogueValue(Noun, frozen=True, kw_only=True):
    """One value of a catalogue (CTMU*), which goes by its table's name."""

    catalogue: str
    id: int
    name: str
    active: bool


class Duplicates(Noun, frozen=True, kw_only=True):
    """Records of one exchange table that tell the same event as an earlier one.

    ``key`` is what they have in common, empty where none is known; ``copies`` counts all but the first of each event,
    ``events`` those that came more than once. ``sample`` are uuids of copies.
    """

    table: str
    key: tuple[str, ...]
    copies: int = 0
    events: int = 0
    sample: tuple[str, ...] = ()


class Answers(Noun, frozen=True, kw_only=True):
    """How many records of a table and a subsystem were answered, in all (``motive_id`` None) or with one motive."""

    table: str
    subsystem_id: int | None
    motive_id: int | None
    records: int


class Absent(Noun, frozen=True, kw_only=True):
    """Of the records of one exchange table that were answered as consolidated, those that the core does not have.

    ``by`` is what of the core was looked at, empty where the table has no CURP to look them up by.
    """

    table: str
    by: tuple[str, ...]
    answered: int = 0
    absent: int = 0
    sample: tuple[str, ...] = ()


class Enrolments(Noun, frozen=True, kw_only=True):
    """The enrolments of the core with the same status and subsystem, and those that SIGED has not been told of.

    ``oldest_untold`` is the age of the first of these; None where there is none.
    """

    status_id: int | None
    subsystem_id: int | None
    records: int
    untold: int
    oldest_untold: timedelta | None


class MotiveUse(Noun, frozen=True, kw_only=True):
    """How many errors have a motive."""

    motive_id: int
    errors: int
