"""The rows of the database's guard (SEC-02 to SEC-11) on a real server: healthy, each with its fault, and blind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checks import admission, security
from runbook.errors import ProbeError, ProbeFailure
from runbook.model import State
from runbook.settings.security import SecuritySettings
from runbook.targets.postgres.database import Database
from runbook.targets.security.security import Security as SecurityTarget
from runbook.targets.security.structs import Powers
from tests.checks import fakes
from tests.checks.test_security import Security
from tests.runbook.fakes import site_at
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.postgres.test_guarding import SHOW
from tests.runbook.targets.servers_postgres import Connection, PostgresServer

#: Row → what breaks it, what mends that, and the state that it must give.
FAULTS = {
    admission.check_passwords_are_scram: (
        "ALTER ROLE muses_reader SET password_encryption = 'md5'",
        "ALTER ROLE muses_reader RESET password_encryption",
        State.CRITICAL,
    ),
    admission.check_roles_are_listed: ("CREATE ROLE muses_dba SUPERUSER", "DROP ROLE muses_dba", State.CRITICAL),
    admission.check_public_may_nothing: (
        "GRANT SELECT ON muses_dev.tbmu002_persona TO PUBLIC",
        "REVOKE SELECT ON muses_dev.tbmu002_persona FROM PUBLIC",
        State.CRITICAL,
    ),
    security.check_who_may_act: (
        "GRANT muses_owner TO muses_reader",
        "REVOKE muses_owner FROM muses_reader",
        State.CRITICAL,
    ),
}


@pytest.fixture
def site() -> Security:
    """A site whose policy lets nothing of high risk act, and whose list names every role of the test's server."""
    powers = Powers(high=False, rows=(), windows=(), alike=(), reader="muses_reader", operator="muses_operator")
    told = Security(powers=powers)
    told.lists = SecuritySettings(login_roles=("muses_app", "muses_stranger"))
    return told


@pytest.fixture
def rules(postgres: PostgresServer, admin: Connection) -> Iterator[Any]:
    """Writes pg_hba.conf as a test wants it, and shows it to the reader; all is as before at the end."""
    file = postgres.home / "data" / "pg_hba.conf"
    before = file.read_text()
    for grant in SHOW:
        admin.execute(grant)
    yield lambda *lines: file.write_text("\n".join(lines) + "\n")
    file.write_text(before)
    for grant in SHOW:
        admin.execute(grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))


@pytest.mark.parametrize("check", FAULTS)
def test_healthy_then_broken(
    make_database: MakeDatabase, postgres: PostgresServer, admin: Connection, site: Security, check: Any
) -> None:
    fault, mend, worst = FAULTS[check]
    assert fakes.judged(check, database=make_database(), security=site).state is State.OK
    admin.execute(fault)  # type: ignore[call-overload]
    try:
        assert fakes.judged(check, database=make_database(), security=site).state is worst
    finally:
        with closing(postgres.admin()) as mending:
            mending.execute(mend)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        (("local all all peer", "host all all 127.0.0.1/32 scram-sha-256"), State.OK),
        (("local all all peer", "host all all 127.0.0.1/32 md5"), State.WARNING),
        (("local all all peer", "host all all 0.0.0.0/0 scram-sha-256"), State.WARNING),
        (("hostssl all all all scram-sha-256",), State.WARNING),
        (("local all all peer", "host all nobody samenet no-such-method"), State.WARNING),
        (("local all postgres peer", "host all postgres 10.0.0.0/8 trust"), State.CRITICAL),
    ],
)
def test_rules(database: Database, rules: Any, site: Security, lines: tuple[str, ...], state: State) -> None:
    rules(*lines)
    found = fakes.judged(admission.check_nobody_is_trusted, database=database, security=site)
    assert found.state is state, found


def test_sessions_of_this_host(database: Database, site: Security) -> None:
    found = fakes.judged(admission.check_sessions_are_encrypted, database=database, security=site)
    assert found.state is State.OK


@pytest.mark.parametrize("check", [admission.check_sessions_are_encrypted, admission.check_nobody_is_trusted])
def test_blind(make_database: MakeDatabase, postgres: PostgresServer, site: Security, check: Any) -> None:
    with pytest.raises(ProbeError) as caught:
        fakes.judged(check, database=make_database(reader=postgres.login("muses_stranger")), security=site)
    assert caught.value.kind is ProbeFailure.BLIND


@pytest.mark.parametrize(("by_socket", "state"), [(True, State.CRITICAL), (False, State.OK)])
def test_a_superuser_without_a_password(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_socket: bool, state: State
) -> None:
    """The test's server trusts who comes by the socket; a password that lies about is not the account's."""
    monkeypatch.setenv("PGPASSWORD", "c4n4ry-that-is-not-for-this")
    host = str(postgres.home) if by_socket else "127.0.0.1"
    real = SecurityTarget("security", site_at(tmp_path, database=postgres.settings(host=host)))
    assert fakes.judged(security.check_default_accounts_are_shut, security=real).state is state
