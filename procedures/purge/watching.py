"""Who watches a purge."""

from __future__ import annotations

from typing import Protocol

from procedures.purge.ledger_structs import Standing
from procedures.purge.surveying import Survey
from runbook.text import Text


class Watch(Protocol):
    """Who watches a purge: a terminal, or nobody."""

    def surveyed(self, survey: Survey) -> None:
        """What there is to do is known."""

    def resumed(self, run: str) -> None:
        """An unfinished run is gone on with, by its own cutoffs."""

    def progressed(self, tables: tuple[Standing, ...]) -> None:
        """How far every table has come; told twice a second."""

    def noticed(self, what: Text) -> None:
        """Something worth a line."""


class Unwatched:
    """Nobody watches."""

    def surveyed(self, survey: Survey) -> None:
        """Say nothing."""

    def resumed(self, run: str) -> None:
        """Say nothing."""

    def progressed(self, tables: tuple[Standing, ...]) -> None:
        """Say nothing."""

    def noticed(self, what: Text) -> None:
        """Say nothing."""
