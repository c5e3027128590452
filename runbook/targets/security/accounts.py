"""Accounts that makers ship: each is tried once, where the site file says that the target is, and let go at once.

A try changes nothing. Where such an account does not let in, the broker logs one refused login; PostgreSQL, which is
offered no password at all, logs none, and a store answers 403.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import BrokerSettings, DatabaseSettings, Login, StorageSettings
from runbook.settings.site import EnvironmentSettings
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.failures import login_failed
from runbook.targets.rabbitmq.api import ManagementApi
from runbook.targets.s3.unsigned import status
from runbook.targets.security.structs import DefaultAccount
from runbook.text import text

System = Literal["database", "broker", "storage"]
_MANAGEMENT = "broker.management_url"
#: MinIO's, and what emulators of S3 take for anybody's.
_STORE_KEYS = (("minioadmin", "minioadmin"), ("test", "test"))
_OK, _REFUSED = 200, (401, 403)
#: A target, an account of its maker, and the attempt.
Try = tuple[System, str, Callable[[], bool]]


def default_accounts(settings: EnvironmentSettings) -> tuple[DefaultAccount, ...]:
    """Every account, all tried at once; none where the site has no such target."""
    tries = tuple(_tries(settings))
    found: dict[tuple[str, str], DefaultAccount] = {}

    def ask(system: System, account: str, opens: Callable[[], bool]) -> None:
        found[system, account] = _tried(system, account, opens)

    asking = [threading.Thread(target=ask, args=one, daemon=True) for one in tries]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return tuple(found[system, account] for system, account, _ in tries)


def _tries(settings: EnvironmentSettings) -> Iterator[Try]:
    database, broker, storage = settings.database, settings.broker, settings.storage
    if database is not None:
        yield "database", "postgres", partial(_enters_without_password, database)
    if broker is not None:
        yield "broker", "guest", partial(_is_a_guest, broker)
    if storage is not None and storage.endpoint_url:
        for key in _STORE_KEYS:
            yield "storage", key[0], partial(_lists, storage, *key)


def _tried(system: System, account: str, opens: Callable[[], bool]) -> DefaultAccount:
    """What answers and says no is shut; what does not answer is not known."""
    try:
        return DefaultAccount(system=system, account=account, opens=opens())
    except ProbeError as error:
        if error.kind is ProbeFailure.DENIED:
            return DefaultAccount(system=system, account=account, opens=False)
        return DefaultAccount(system=system, account=account, opens=None, problem=error.said)


def _enters_without_password(settings: DatabaseSettings) -> bool:
    """Whether the superuser comes in without a password, as ``trust`` in pg_hba.conf lets him."""
    import psycopg

    access = Access("database", "", msgspec.structs.replace(settings, reader=Login(user="postgres")))
    # An empty password is no password, and not the one that the environment or a file may hold.
    asked = {**access.parameters("reader"), "password": "", "passfile": "/nonexistent"}
    try:
        psycopg.connect(**asked).close()
    except psycopg.OperationalError as error:
        if error.pgconn is not None and error.pgconn.needs_password:
            return False
        raise login_failed(access, "reader", error) from error
    return True


class _Guest(ManagementApi):
    """The management API as the account that RabbitMQ comes with."""

    def _authorization(self) -> str:
        return "Basic " + base64.b64encode(b"guest:guest").decode()


def _is_a_guest(settings: BrokerSettings) -> bool:
    if not settings.management_url:
        said = text("whether guest is let in is asked by the management API: set {setting}", setting=_MANAGEMENT)
        raise ProbeError("broker", ProbeFailure.ABSENT, said)
    with _Guest("broker", settings.management_url, settings, Login(user="guest")) as api:
        api.whoami()
    return True


def _lists(settings: StorageSettings, access: str, word: str) -> bool:
    """Whether the store lists its buckets for these keys."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"{str(settings.endpoint_url).rstrip('/')}/"
    request = AWSRequest("GET", url, headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    SigV4Auth(Credentials(access, word), "s3", settings.region).add_auth(request)
    answered = status("storage", settings, url, dict(request.headers))
    if answered not in (_OK, *_REFUSED):
        said = text("{where} answered {status}", where=url, status=answered)
        raise ProbeError("storage", ProbeFailure.BROKEN, said, code=str(answered))
    return answered == _OK
