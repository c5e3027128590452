"""What RabbitMQ lets the reader and the operator do, for ``muses-runbook doctor``. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import BrokerSettings, Login
from runbook.targets.rabbitmq import amqp
from runbook.targets.rabbitmq.api import ManagementApi
from runbook.targets.rights import Right
from runbook.text import text

Identity = Literal["reader", "operator"]

#: The tags of which one is needed, the least first.
_TAGS: dict[Identity, tuple[str, ...]] = {
    "reader": ("monitoring", "administrator"),
    "operator": ("policymaker", "management", "administrator"),
}


def rights_of(target: str, settings: BrokerSettings) -> tuple[Right, ...]:
    """Rights of both identities. Raises ProbeError when the broker cannot be asked at all."""
    logins: list[tuple[Identity, Login | None]] = [("reader", settings.reader), ("operator", settings.operator)]
    return tuple(
        right
        for identity, login in logins
        if login is not None
        for right in (_by_amqp(target, settings, identity, login), *_by_api(target, settings, identity, login))
    )


def _by_amqp(target: str, settings: BrokerSettings, identity: Identity, login: Login) -> Right:
    return Right(
        what=text("{user} logs in by AMQP to virtual host {vhost}", user=login.user, vhost=settings.vhost),
        held=_allowed(lambda: amqp.log_in(target, settings, login)),
        mend=f"rabbitmqctl change_password {login.user} PASSWORD && {amqp.permission(settings, login)}",
        identity=identity,
    )


def _by_api(target: str, settings: BrokerSettings, identity: Identity, login: Login) -> tuple[Right, ...]:
    url, needed = settings.management_url, _TAGS[identity]
    if url is None:
        return ()
    right = Right(
        what=text("{user} reads the management API with the tag {tag}", user=login.user, tag=needed[0]),
        held=_allowed(lambda: _require_tag(ManagementApi(target, url, settings, login), needed)),
        mend=f"rabbitmqctl set_user_tags {login.user} {needed[0]}",
        identity=identity,
    )
    return (right,)


def _require_tag(api: ManagementApi, needed: tuple[str, ...]) -> None:
    with api:
        me = api.whoami()
    held = me.tags.split(",") if isinstance(me.tags, str) else me.tags
    if not set(held) & set(needed):
        said = text("user {user} has only the tags {tags}", user=me.name, tags=", ".join(held))
        raise ProbeError(api.target, ProbeFailure.DENIED, said)


def _allowed(ask: Callable[[], None]) -> bool:
    """False when the broker says no; what keeps it from being asked is raised."""
    try:
        ask()
    except ProbeError as error:
        if error.kind is not ProbeFailure.DENIED:
            raise
        return False
    return True
