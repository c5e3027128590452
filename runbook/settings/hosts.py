"""The application servers."""

from __future__ import annotations

from pathlib import Path

from runbook.settings.words import Strict


class HostsSettings(Strict, frozen=True, kw_only=True):
    """Hosts by testinfra's addresses: ``local://``, ``ssh://user@host``."""

    addresses: tuple[str, ...]
    ssh_config: Path | None = None
    ssh_identity_file: Path | None = None
