"""What the journal and the targets tell of runs that were killed."""

from __future__ import annotations

from datetime import datetime

import msgspec

from runbook.text import Text
from runbook.traces import Seen


class BegunStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was begun and whose result nobody wrote: entry ``number`` of the journal, and what is seen of it."""

    number: int
    row: str
    what: Text
    seen: Seen
    said: Text


class KilledRun(msgspec.Struct, frozen=True, kw_only=True):
    """An acting run without an end. ``done`` are steps with a result, ``proven`` the rows judged again after them."""

    run: str
    at: datetime
    done: tuple[Text, ...] = ()
    begun: tuple[BegunStep, ...] = ()
    proven: tuple[str, ...] = ()
    procedure: bool = False
