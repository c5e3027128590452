"""What all tests share: one running lab a session and two booted hosts, its own and taken away at the end."""

from __future__ import annotations

from lab.testing import lab_place
from tests.booted_hosts import booted_hosts
from tests.runbook.targets.servers_rabbitmq import rabbit_server

__all__ = ["booted_hosts", "lab_place", "rabbit_server"]
