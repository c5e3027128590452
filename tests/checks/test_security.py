"""SEC-01, 03, 06, 09, 10 and 11: decisions on told facts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.security import (
    check_buckets_are_shut,
    check_credentials_are_hidden,
    check_default_accounts_are_shut,
    check_endpoints_certificates,
    check_who_may_act,
    check_wires_are_encrypted,
)
from runbook.errors import NotConfigured, ProbeFailure
from runbook.model import State
from runbook.rows import of
from runbook.settings.security import SecuritySettings
from runbook.targets.hosts.structs import Certificate
from runbook.targets.postgres.guard_structs import Guard, LoginRole
from runbook.targets.s3.exposure import Exposure
from runbook.targets.s3.promised import broken, kept, unknown
from runbook.targets.security.structs import DefaultAccount, Endpoint, InClear, Kept, Powers
from runbook.text import text
from tests.checks import fakes
from tests.checks.fakes import Told

SAID = text("as the storage says")
MINUTE = timedelta(minutes=1)


class Security(Told):
    """What the site says, and what it accepts."""

    archive_encryption = "sse-s3"

    def __init__(self, accepted: dict[str, str] | None = None, **answers: Any) -> None:
        super().__init__(**answers)
        self.lists = SecuritySettings(accepted=accepted or {})


@pytest.mark.parametrize(
    "check",
    [
        check_wires_are_encrypted,
        check_endpoints_certificates,
        check_default_accounts_are_shut,
        check_buckets_are_shut,
        check_credentials_are_hidden,
        check_who_may_act,
    ],
)
def test_a_person_is_told_what_to_do(check: Any) -> None:
    assert of(check).treatment is None
    assert of(check).person is not None


class TestWires:
    """SEC-01."""

    @pytest.mark.parametrize(
        ("wire", "local", "state"),
        [
            ("verified", False, State.OK),
            ("encrypted", False, State.WARNING),
            ("optional", False, State.WARNING),
            ("plain", False, State.CRITICAL),
            ("plain", True, State.OK),
        ],
    )
    def test_state(self, wire: Any, local: bool, state: State) -> None:
        endpoint = Endpoint(setting="broker.tls", where="mq-1:5672", wire=wire, local=local)
        assert fakes.judged(check_wires_are_encrypted, security=Security(endpoints=(endpoint,))).state is state

    def test_what_is_accepted_is_told_with_the_reason_and_hides_nothing_else(self) -> None:
        plain = [Endpoint(setting=f"s.{n}", where=f"mq-{n}:5672", wire="plain", local=False) for n in (1, 2)]
        security = Security({"s.1": "una red propia"}, endpoints=plain)
        found = fakes.judged(check_wires_are_encrypted, security=security)
        assert found.state is State.CRITICAL
        assert {measure.object: measure.state for measure in found.measures} == {
            "s.1": State.SKIPPED,
            "s.2": State.CRITICAL,
        }
        assert "una red propia" in " ".join(str(measure.summary) for measure in found.measures)

    def test_no_address_is_no_proof(self) -> None:
        assert fakes.judged(check_wires_are_encrypted, security=Security(endpoints=())).state is State.SKIPPED


class TestCertificates:
    """SEC-03."""

    @pytest.mark.parametrize(
        ("days", "state"), [(22, State.OK), (21, State.WARNING), (7, State.CRITICAL), (-1, State.CRITICAL)]
    )
    def test_state(self, days: int, state: State) -> None:
        shown = Certificate(where="bd-1:5432", ends=fakes.now() + timedelta(days=days) - MINUTE)
        found = fakes.judged(check_endpoints_certificates, security=Security(certificates=(shown,)))
        assert found.state is state

    def test_one_that_is_not_shown_is_not_known(self) -> None:
        hidden = Certificate(where="bd-1:5432", problem=text("no answer"))
        found = fakes.judged(check_endpoints_certificates, security=Security(certificates=(hidden,)))
        assert found.state is State.UNKNOWN

    def test_none_is_skipped(self) -> None:
        assert fakes.judged(check_endpoints_certificates, security=Security(certificates=())).state is State.SKIPPED


class TestAccounts:
    """SEC-06."""

    @pytest.mark.parametrize(("opens", "state"), [(False, State.OK), (True, State.CRITICAL), (None, State.UNKNOWN)])
    def test_state(self, opens: bool | None, state: State) -> None:
        tried = DefaultAccount(system="broker", account="guest", opens=opens)
        found = fakes.judged(check_default_accounts_are_shut, security=Security(default_accounts=(tried,)))
        assert found.state is state

    def test_what_is_open_counts_before_what_could_not_be_tried(self) -> None:
        tried = [
            DefaultAccount(system="storage", account=name, opens=opens) for name, opens in (("a", None), ("b", True))
        ]
        found = fakes.judged(check_default_accounts_are_shut, security=Security(default_accounts=tried))
        assert found.state is State.CRITICAL


def exposure(**changes: Any) -> Exposure:
    """A bucket as it should be."""
    plain: dict[str, Any] = {
        "bucket": "muses-archivo",
        "private": kept(SAID),
        "versioning": kept(SAID),
        "default_encryption": kept(SAID),
        "to_anyone": False,
        "object": "tbae/a.zst",
        "encryption": "AES256",
    }
    return Exposure(**{**plain, **changes})


class TestBuckets:
    """SEC-09."""

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            pytest.param({}, State.OK, id="shut"),
            pytest.param({"to_anyone": True}, State.CRITICAL, id="given to anyone, whatever is configured"),
            pytest.param({"private": broken(SAID)}, State.CRITICAL, id="public by configuration"),
            pytest.param({"private": unknown(SAID)}, State.OK, id="not told, but refused to anyone"),
            pytest.param({"private": unknown(SAID), "to_anyone": None}, State.UNKNOWN, id="neither is known"),
            pytest.param({"private": unknown(SAID, denied=True)}, State.UNKNOWN, id="we may not ask whether it is"),
            pytest.param({"versioning": unknown(SAID, denied=True)}, State.UNKNOWN, id="nor for versions"),
            pytest.param({"default_encryption": unknown(SAID, denied=True)}, State.UNKNOWN, id="nor for encryption"),
            pytest.param({"versioning": broken(SAID)}, State.WARNING, id="without versions"),
            pytest.param({"versioning": unknown(SAID)}, State.OK, id="no word of versions"),
            pytest.param({"default_encryption": broken(SAID)}, State.WARNING, id="plain by default"),
            pytest.param({"encryption": None}, State.CRITICAL, id="asked for, and not returned"),
            pytest.param({"object": None, "encryption": None}, State.OK, id="empty"),
        ],
    )
    def test_state(self, changes: dict[str, Any], state: State) -> None:
        storage = Told(exposures=(exposure(), exposure(**changes)))
        assert fakes.judged(check_buckets_are_shut, storage=storage, security=Security()).state is state

    def test_an_archive_for_practice_need_not_be_encrypted(self) -> None:
        security = Security()
        security.archive_encryption = "none"
        storage = Told(exposures=(exposure(encryption=None),))
        assert fakes.judged(check_buckets_are_shut, storage=storage, security=security).state is State.OK


class TestCredentials:
    """SEC-10."""

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            ({}, State.OK),
            ({"others_read": True}, State.CRITICAL),
            ({"others_read": True, "holds": "settings"}, State.OK),
            ({"others_write": True, "holds": "settings"}, State.CRITICAL),
            ({"group_writes": True}, State.WARNING),
            ({"problem": text("it is not there")}, State.UNKNOWN),
        ],
    )
    def test_files(self, changes: dict[str, Any], state: State) -> None:
        file = Kept(**{"setting": "database.reader", "path": "/etc/x", "holds": "credential", **changes})
        security = Security(kept=(file,), in_clear=())
        assert fakes.judged(check_credentials_are_hidden, security=security).state is state

    def test_one_in_the_site_file(self) -> None:
        security = Security(kept=(), in_clear=(InClear(setting="logs.services.x", kind="URL"),))
        assert fakes.judged(check_credentials_are_hidden, security=security).state is State.CRITICAL


def role(name: str, *member_of: str, **powers: bool) -> LoginRole:
    names = ("superuser", "creates_roles", "creates_databases", "replicates", "bypasses_policies")
    held = {power: powers.get(power, False) for power in names}
    return LoginRole(role=name, logs_in=powers.get("logs_in", True), member_of=member_of, **held)


def guarded(*roles: LoginRole, **changes: Any) -> Guard:
    plain: dict[str, Any] = {
        "ssl": True,
        "hashing": "scram-sha-256",
        "weak_verifiers": None,
        "roles": roles or (role("muses_reader", "pg_monitor"), role("muses_operator", "muses_owner")),
        "public": (),
    }
    return Guard(**{**plain, **changes})


class TestPowers:
    """SEC-11."""

    def state(self, *roles: LoginRole, **changes: Any) -> State:
        plain: dict[str, Any] = {
            "high": False,
            "rows": (),
            "windows": (),
            "alike": (),
            "reader": "muses_reader",
            "operator": "muses_operator",
        }
        security = Security(powers=Powers(**{**plain, **changes}))
        found = fakes.judged(check_who_may_act, database=Told(guard=guarded(*roles)), security=security)
        assert isinstance(found.state, State)
        return found.state

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            ({}, State.OK),
            ({"high": True}, State.WARNING),
            ({"rows": ("STAGE-01",)}, State.WARNING),
            ({"rows": ("BACKUP-01",)}, State.OK),
            ({"windows": ("noche",)}, State.WARNING),
            ({"alike": ("database",)}, State.CRITICAL),
            ({"operator": None}, State.OK),
            ({"operator": "nobody"}, State.UNKNOWN),
        ],
    )
    def test_policy_and_identities(self, changes: dict[str, Any], state: State) -> None:
        from checks import backups, staging

        assert backups is not None
        assert staging is not None
        assert self.state(**changes) is state

    @pytest.mark.parametrize(
        ("high", "error", "state"),
        [
            (False, fakes.failing(ProbeFailure.SILENT), State.UNKNOWN),
            (True, fakes.failing(ProbeFailure.SILENT), State.WARNING),
            (False, NotConfigured("database", "environments.lab.database"), State.OK),
        ],
    )
    def test_a_silent_database_hides_nothing_of_the_policy(self, high: bool, error: Exception, state: State) -> None:
        powers = Powers(high=high, rows=(), windows=(), alike=(), reader="muses_reader", operator=None)
        found = fakes.judged(check_who_may_act, database=Told(guard=error), security=Security(powers=powers))
        assert found.state is state

    @pytest.mark.parametrize(
        ("reader", "operator", "state"),
        [
            pytest.param(role("muses_reader"), role("muses_operator", "pg_signal_backend"), State.OK, id="granted"),
            pytest.param(
                role("muses_reader", "pg_signal_backend"), role("muses_operator"), State.CRITICAL, id="reader"
            ),
            pytest.param(
                role("muses_reader", "muses_owner"), role("muses_operator"), State.CRITICAL, id="reads as owner"
            ),
            pytest.param(
                role("muses_reader"), role("muses_operator", "pg_write_all_data"), State.WARNING, id="operator"
            ),
            pytest.param(role("muses_reader"), role("muses_operator", creates_roles=True), State.WARNING, id="power"),
            pytest.param(role("muses_reader"), role("muses_operator", creates_databases=True), State.OK, id="restores"),
            pytest.param(role("muses_reader"), role("muses_operator", superuser=True), State.CRITICAL, id="superuser"),
        ],
    )
    def test_what_the_roles_hold(self, reader: LoginRole, operator: LoginRole, state: State) -> None:
        assert self.state(reader, operator) is state
