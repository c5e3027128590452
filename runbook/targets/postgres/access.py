"""How the runbook gets into the database: as whom, with which limits, under which name."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, LiteralString

from runbook.errors import NotConfigured
from runbook.settings import DatabaseSettings, Login
from runbook.targets.identity import revealed

if TYPE_CHECKING:
    from psycopg import sql

Identity = Literal["reader", "operator"]
APPLICATION = "muses-runbook"
#: Seconds for one address; libpq knows no less than 2.
CONNECT_SECONDS = 3
_SQL = Path(__file__).parent / "sql"

#: What every session of ours pins, so that nothing set for a role or a database changes what we read. With
#: ``row_security`` off, a policy that would hide rows is an error instead: blind is not green.
_PINNED = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "row_security": "off",
    "jit": "off",
    "search_path": "pg_catalog",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "30s",
    "idle_session_timeout": "10min",
    "client_connection_check_interval": "2s",
}


@dataclass(frozen=True)
class Access:
    """The database of one environment; ``setting`` is its table in the site file, for messages."""

    target: str
    setting: str
    settings: DatabaseSettings

    @property
    def where(self) -> str:
        """The server as a person names it."""
        return f"{self.settings.host}:{self.settings.port}"

    def login(self, identity: Identity) -> Login:
        """Who that is. Raises NotConfigured where the site file names no operator."""
        login: Login | None = getattr(self.settings, identity)
        if login is None:
            raise NotConfigured(self.target, f"{self.setting}.{identity}")
        return login

    def parameters(self, identity: Identity) -> dict[str, Any]:
        """What libpq is told. Raises ProbeError(DENIED) when the password cannot be read."""
        settings, login = self.settings, self.login(identity)
        read_only = "on" if identity == "reader" else "off"
        return {
            "host": settings.host,
            "port": settings.port,
            "dbname": settings.name,
            "user": login.user,
            "password": revealed(self.target, login.password),
            "sslmode": settings.sslmode,
            "sslrootcert": settings.sslrootcert and str(settings.sslrootcert),
            "gssencmode": "disable",
            "application_name": APPLICATION,
            "client_encoding": "utf8",
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": 5000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "options": _options({**_PINNED, "default_transaction_read_only": read_only}),
        }


def statement(name: str, /, **names: sql.Composable) -> sql.Composed:
    """The statement of ``sql/<name>.sql`` with identifiers (and composed parts) in place of its ``{fields}``."""
    from psycopg import sql

    return sql.SQL(_source(name)).format(**names)


def quoted(name: str) -> str:
    """A name as an identifier of SQL, for the commands that people are told to run."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name)
    return name if plain else '"' + name.replace('"', '""') + '"'


@functools.cache
def _source(name: str) -> LiteralString:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def _options(settings: Mapping[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in settings.items())
