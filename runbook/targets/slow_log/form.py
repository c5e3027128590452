"""What all forms of the server's log have in common: where records begin and end, and what is wanted of them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from runbook.targets.slow_log.tally import Tally


class UnknownPrefix(Exception):
    """A log in text form whose ``log_line_prefix`` nobody told and that is none of the common ones."""


class Bounds(msgspec.Struct, frozen=True):
    """Records from and until these times, as the server writes its times; empty is no bound."""

    since: str = ""
    until: str = ""

    def hold(self, stamp: str) -> bool:
        """Whether a record of that time is wanted."""
        return self.since <= stamp and (not self.until or stamp < self.until)


class Form(ABC):
    """One form of log: where records begin, and what they say."""

    name: ClassVar[str]
    #: How a record's first line begins.
    begins: ClassVar[re.Pattern[bytes]]

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._bounded = bool(bounds.since or bounds.until)
        self.pending = b""  #: what is read and not yet complete

    @abstractmethod
    def cut(self, data: bytes, whole: bool) -> int:
        """Where the last record that is surely complete ends. ``whole`` says that nothing follows the data."""

    @abstractmethod
    def start(self, data: bytes, inside: bool) -> int:
        """Where the first record begins in data that begins anywhere; ``inside`` quotes, where the form has any."""

    def first(self, data: bytes) -> int:
        """Where the first record begins in data that begins at a line; its length where there is none."""
        found = self.begins.search(data)
        return found.start() if found else len(data)

    @abstractmethod
    def read(self, data: bytes, tally: Tally) -> None:
        """Count the records of data that begins and ends with one."""
