"""What lets the reader look at the hosts: a login by key, and a group for what only a group may see."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from runbook.grants.needs import Need
from runbook.settings import EnvironmentSettings


def commands(settings: EnvironmentSettings, identity: Literal["reader", "operator"], need: Need) -> tuple[str, str]:
    """What gives the right on every host and what takes it, each line with the host it is for."""
    given = settings.hosts
    pairs = (
        [pair for address in given.addresses for pair in _pairs(address, settings.schedule.user, need)] if given else []
    )
    return "\n".join(give for give, _ in pairs), "\n".join(take for _, take in pairs)


def login_of(address: str, user: str) -> tuple[str, str]:
    """Who logs in to an address and where; an empty host is this machine."""
    url = urlsplit(address if "://" in address else f"ssh://{address}")
    host = url.hostname or ""
    return (url.username or user, host) if url.scheme in ("ssh", "paramiko") else (user, "")


def _pairs(address: str, user: str, need: Need) -> Iterator[tuple[str, str]]:
    who, host = login_of(address, user)
    where = f"  # on {host or 'this machine'}"
    login = shlex.quote(who)
    if need.right == "group":
        yield f"usermod -aG {need.of} {login}{where}", f"gpasswd -d {login} {need.of}{where}"
    elif host:
        known = f"ssh-keyscan {shlex.quote(host)} >> ~/.ssh/known_hosts  # compare the key with the host's own first"
        yield (
            f"useradd --create-home {login}{where}\nssh-copy-id {shlex.quote(f'{who}@{host}')}\n{known}",
            f"userdel {login}{where}",
        )
