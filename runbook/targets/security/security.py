"""Security as the site file has it: ways without TLS, credentials in the open, makers' accounts, who may act."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from runbook.probes import probe
from runbook.settings.security import SecuritySettings
from runbook.settings.site import EnvironmentSettings
from runbook.site import Site
from runbook.targets.base import Target
from runbook.targets.hosts.structs import Certificate
from runbook.targets.security import accounts, certificates, endpoints, files
from runbook.targets.security.structs import DefaultAccount, Endpoint, InClear, Kept, Powers

#: Three seconds for a server that is silent, each of them at the same time.
_LONG = timedelta(seconds=6)


class Security(Target):
    """What the settings of one environment, and the files that they name, say of its security."""

    kind: ClassVar[str] = "security"

    def __init__(self, name: str, site: Site) -> None:
        super().__init__(name)
        self._site, self._setting = site, f"environments.{site.environment.name}"

    @property
    def lists(self) -> SecuritySettings:
        """Who may be what, and what is accepted, by the site file."""
        return self._settings.security

    @property
    def archive_encryption(self) -> str:
        """What the archive's objects must be proven to be encrypted with, by the site file."""
        return self._settings.archive.encryption

    @probe()
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The addresses that the site file names, and how safe the way to each is. Asks nobody."""
        return tuple(endpoints.endpoints(self._settings, self._setting))

    @probe(deadline=_LONG, channel="certificates")
    def certificates(self) -> tuple[Certificate, ...]:
        """What the endpoints with TLS show to whoever connects; empty where there is none. Reads only."""
        return certificates.shown(self.name, self._with_tls())

    @probe(deadline=_LONG, channel="accounts")
    def default_accounts(self) -> tuple[DefaultAccount, ...]:
        """Accounts that makers ship, each tried once; what cannot be tried says why. Changes nothing."""
        return accounts.default_accounts(self._settings)

    @probe(channel="files")
    def kept(self) -> tuple[Kept, ...]:
        """The site file and the files that hold credentials, and who else gets at them. Reads their modes only."""
        return tuple(files.kept(self._site.file, self._settings, self._setting))

    @probe(channel="files")
    def in_clear(self) -> tuple[InClear, ...]:
        """The settings that hold a credential instead of saying where it is. The credential is not among them."""
        return tuple(files.in_clear(self._settings, self._setting))

    @probe()
    def powers(self) -> Powers:
        """Who may act, by the policy and the identities of the site file. Asks nobody."""
        policy, database = self._settings.policy, self._settings.database
        acting = (window for window in policy.windows if window.allows == "act")
        operator = database.operator if database is not None else None
        return Powers(
            high=policy.high == "act",
            rows=tuple(row for row, permission in policy.rows.items() if permission == "act"),
            windows=tuple(window.name for window in acting if not window.risks or "high" in window.risks),
            alike=tuple(self._alike()),
            reader=database.reader.user if database is not None else None,
            operator=operator.user if operator is not None else None,
            applications=database.application_roles if database is not None else (),
        )

    def close(self) -> None:
        """Nothing is held."""

    def _with_tls(self) -> Iterator[tuple[str, bool]]:
        """Who is asked for a certificate, and whether he speaks PostgreSQL; behind a socket's path there is none."""
        for endpoint in self.endpoints():
            if endpoint.wire in ("verified", "encrypted") and not endpoint.where.startswith("/"):
                yield endpoint.where, ".database." in endpoint.setting

    def _alike(self) -> Iterator[str]:
        """Targets that reader and operator enter as the same."""
        for name in ("database", "broker"):
            target = getattr(self._settings, name)
            if target is not None and target.operator is not None and target.operator.user == target.reader.user:
                yield name
        storage = self._settings.storage
        if storage is not None and storage.operator is not None and storage.operator == storage.reader:
            yield "storage"

    @property
    def _settings(self) -> EnvironmentSettings:
        return self._site.settings
