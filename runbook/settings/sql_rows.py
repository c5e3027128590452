"""The team's own SQL scripts as rows."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from runbook.settings.words import Strict

_KINDS = (str, int, float, date)


class SqlRowsSettings(Strict, frozen=True, kw_only=True):
    """Every ``.sql`` file in these folders is a row; a relative folder lies beside the site file.

    ``params`` are values of the scripts' variables (``:name``); ``schema`` has its value from the database's settings.
    ``timeout`` ends a script that declares none; ``most_rows`` of a statement are kept, all are counted.
    ``search_path`` is where names without a schema are looked for (default: the database's schema, then public).
    ``personal_columns`` are masked in addition to CURP, RFC, names, telephones, e-mails and addresses.
    """

    folders: tuple[Path, ...] = ()
    params: dict[str, Any] = {}
    timeout: timedelta = timedelta(seconds=5)
    most_rows: int = 1000
    search_path: tuple[str, ...] = ()
    personal_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.timeout < timedelta(seconds=1):
            raise ValueError("timeout is at least 1 s")
        if not 1 <= self.most_rows <= 100_000:
            raise ValueError("most_rows is between 1 and 100000")
        for name, value in self.params.items():
            if not isinstance(value, _KINDS) or isinstance(value, bool):
                raise ValueError(f"params.{name} is a text, a number or a date")

    @property
    def values(self) -> dict[str, str]:
        """The parameters as the text that a script sees."""
        return {name: str(value) for name, value in self.params.items()}

    @property
    def hidden(self) -> frozenset[str]:
        """More names of personal columns, in lower case."""
        return frozenset(name.lower() for name in self.personal_columns)
