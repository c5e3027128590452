"""What gives the reader and the operator their rights at RabbitMQ, as commands for ``rabbitmqctl``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from typing import Literal

from runbook.settings import BrokerSettings

_NOTHING = "^$"
#: The rights within a virtual host, in the order of ``set_permissions``.
_PARTS = ("configure", "write", "read")


def commands(
    broker: BrokerSettings, identity: Literal["reader", "operator"], right: str, of: str, held: Collection[str]
) -> tuple[str, str]:
    """What gives a right and what takes it away; ``held`` are all rights of the identity.

    A user's permissions in a virtual host are set all at once: each command says them whole.
    """
    login = broker.operator if identity == "operator" else broker.reader
    user = shlex.quote(login.user if login else f"muses_{identity}")
    vhost = shlex.quote(broker.vhost)
    if right == "tag":
        return f"rabbitmqctl set_user_tags {user} {of}", f"rabbitmqctl set_user_tags {user}"
    whole = f"rabbitmqctl set_permissions -p {vhost} {user} {_permissions(broker, held)}"
    if right == "enter":
        new = f"# where there is no such user yet; asks for its password: rabbitmqctl add_user {user}"
        return f"{new}\n{whole}", f"rabbitmqctl clear_permissions -p {vhost} {user}"
    less = _permissions(broker, set(held) - {right})
    return whole, f"rabbitmqctl set_permissions -p {vhost} {user} {less}"


def _permissions(broker: BrokerSettings, held: Collection[str]) -> str:
    """A regular expression each for what is configured, written and read: our queues by name, or nothing."""
    names = "|".join(re.escape(name) for name in (*broker.queues, *broker.dead_letter_queues))
    ours = f"^({names}|amq\\.default)$"
    return " ".join(shlex.quote(ours if part in held else _NOTHING) for part in _PARTS)
