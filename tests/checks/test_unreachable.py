"""Targets that are silent, refuse, deny or cannot be found: the others keep their true verdicts, in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.place import Place
from runbook.model import Run, State
from tests.checks.commands import OVERRIDE, check, check_until, healthy, states, told

DEADLINE = 7
#: What of the backups is seen in the bucket; their schedule (BACKUP-06) is not, and the lab plans none.
BACKUPS = {f"BACKUP-{number:02}" for number in range(1, 6)}
ROWS = {
    "database": {"ARCH-01", "BACKUP-04", "SQL-01"}
    | {f"DB-{number:02}" for number in range(1, 22)} - {"DB-02", "DB-19"}  # the lab declares no settings
    | {f"ETL-{number:02}" for number in range(1, 8)}
    | {f"STAGE-{number:02}" for number in range(1, 7)}
    | {f"SEC-{number:02}" for number in (2, 4, 5, 7, 8, 11)}
    | {f"INDEX-{number:02}" for number in range(1, 6)},
    "broker": {f"QUEUE-{number:02}" for number in range(1, 10)} | {f"BROKER-{number:02}" for number in range(1, 13)},
    # Without the management API the other rows are skipped, and say which setting they need.
    "broker by AMQP": {f"QUEUE-{number:02}" for number in (1, 2, 5, 6, 8)},
    "storage": BACKUPS | {"ARCH-01", "ARCH-02", "SEC-09"},
    "backup bucket": BACKUPS | {"SEC-09"},
    "hosts": {f"HOST-{number:02}" for number in (1, 6, 8, 9, 11, 12, 13, 15, 16, 17, 18)},
}


@pytest.fixture(scope="module")
def lab(lab_place: Place) -> Place:
    check_until(lab_place, healthy)
    return lab_place


@pytest.fixture(scope="module")
def silent() -> Iterator[int]:
    """A port that accepts, because the kernel does, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def closed() -> Iterator[int]:
    """A port where nobody listens; it stays taken, so that nobody else does meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def at_port(port: int) -> dict[str, dict[str, str]]:
    url = f"http://127.0.0.1:{port}"
    return {
        "postgresql": {"DATABASE__PORT": str(port)},
        "rabbitmq-amqp": {"BROKER__MANAGEMENT_URL": '""', "BROKER__PORT": str(port)},
        "rabbitmq-http": {"BROKER__MANAGEMENT_URL": url, "BROKER__PORT": str(port)},
        "s3": {"STORAGE__ENDPOINT_URL": url},
        "ssh": {"HOSTS__ADDRESSES": f'["ssh://nobody@127.0.0.1:{port}"]'},
    }


TARGET = {
    "postgresql": "database",
    "rabbitmq-amqp": "broker by AMQP",
    "rabbitmq-http": "broker",
    "s3": "storage",
    "ssh": "hosts",
}


def checked(lab: Place, changed: dict[str, str]) -> Run:
    """One check with some settings overridden; within its deadline and a second."""
    started = time.monotonic()
    run = check(lab, "--deadline", f"{DEADLINE}s", **{OVERRIDE + key: value for key, value in changed.items()})
    assert time.monotonic() - started <= DEADLINE + 1
    return run


def only_unknown(run: Run, targets: set[str]) -> None:
    """The rows of these targets are UNKNOWN with a reason, all others have their true verdict."""
    blind = set().union(*(ROWS[target] for target in targets))
    found = states(run)
    answers = found.pop("DB-02")  # a database that does not answer is just what it looks for
    assert answers in ((State.UNKNOWN, State.CRITICAL) if "database" in targets else (State.OK,)), told(run)
    _asked_by_ways_of_their_own(found, targets)
    for row, state in found.items():
        assert (state is State.UNKNOWN) == (row in blind) or (row == "ETL-02" and state is State.SKIPPED), told(run)
    for record in run.records:
        if record.row in blind:
            assert str(record.verdict.summary)


def _asked_by_ways_of_their_own(found: dict[str, State], targets: set[str]) -> None:
    """Makers' accounts are tried without the reader's password, certificates only where an address speaks of TLS."""
    accounts, certificates = found.pop("SEC-06"), found.pop("SEC-03")
    reached = not targets & {"database", "broker", "broker by AMQP", "storage"}
    assert accounts in ((State.OK,) if reached else (State.OK, State.UNKNOWN))
    assert certificates in ((State.SKIPPED,) if reached else (State.SKIPPED, State.UNKNOWN))


@pytest.mark.parametrize("name", TARGET)
def test_one_silent_target_costs_its_deadline_and_hides_nothing_else(lab: Place, silent: int, name: str) -> None:
    only_unknown(checked(lab, at_port(silent)[name]), {TARGET[name]})


def test_all_silent_at_once(lab: Place, silent: int) -> None:
    changed = {key: value for case in at_port(silent).values() for key, value in case.items()}
    only_unknown(checked(lab, changed), set(TARGET.values()))


@pytest.mark.parametrize("name", TARGET)
def test_a_refused_connection(lab: Place, closed: int, name: str) -> None:
    only_unknown(checked(lab, at_port(closed)[name]), {TARGET[name]})


@pytest.mark.parametrize(
    ("changed", "target"),
    [
        ({"DATABASE__READER__PASSWORD__FILE": "{wrong}"}, "database"),
        ({"BROKER__READER__PASSWORD__FILE": "{wrong}"}, "broker"),
        ({"DATABASE__HOST": "does-not-exist.invalid"}, "database"),
        (
            {"BROKER__MANAGEMENT_URL": "http://does-not-exist.invalid:1", "BROKER__HOST": "does-not-exist.invalid"},
            "broker",
        ),
        ({"STORAGE__ENDPOINT_URL": "http://does-not-exist.invalid:1"}, "storage"),
        ({"HOSTS__ADDRESSES": '["ssh://does-not-exist.invalid"]'}, "hosts"),
        ({"DATABASE__SSLMODE": "verify-full"}, "database"),
        ({"BROKER__MANAGEMENT_URL": "https://127.0.0.1:{management}"}, "broker"),
        ({"STORAGE__ENDPOINT_URL": "https://127.0.0.1:{s3}"}, "storage"),
        ({"STORAGE__BACKUP_BUCKET": "no-such-bucket"}, "backup bucket"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_wrong_passwords_names_and_certificates(
    lab: Place, tmp_path: Path, changed: dict[str, str], target: str
) -> None:
    (tmp_path / "wrong").write_text("not-the-password")
    words = {
        "wrong": str(tmp_path / "wrong"),
        "management": str(lab.ports.management),
        "s3": str(lab.ports.storage),
    }
    run = checked(lab, {key: value.format(**words) if "{" in value else value for key, value in changed.items()})
    only_unknown(run, {target})
    assert "not-the-password" not in repr(run)


def test_a_role_without_rights_sees_nothing_and_says_so(lab: Place) -> None:
    """The services' own role can log in, but not see other sessions."""
    changed = {
        "DATABASE__READER__USER": "muses_app",
        "DATABASE__READER__PASSWORD__FILE": str(lab.secret_file("database-muses_app")),
    }
    run = checked(lab, changed)
    assert states(run)["DB-01"] is State.UNKNOWN, told(run)
    assert "pg_monitor" in told(run)
