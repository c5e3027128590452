"""The application servers."""

from __future__ import annotations

from pathlib import Path

from runbook.settings.words import Strict

#: Where the host in an address begins and ends: ``ssh://user@name:port?options``.
_SCHEME, _OPTIONS = "://", "?"
_KINDS = (".service", ".socket", ".timer", ".mount", ".path", ".target", ".slice", ".scope")


class HostsSettings(Strict, frozen=True, kw_only=True):
    """Hosts by testinfra's addresses: ``local://``, ``ssh://user@host``, ``docker://name``, ``kubectl://pod`` …

    ``ssh_config``: ssh's own file, with users, ports, keys and jump hosts; the user's own where it is not given.
    ``ssh_identity_file``: the private key. ``jump_host``: ``user@host:port`` that every ssh address is reached through.
    ``services``: systemd's units that must run on every host, ``.service`` understood, patterns such as
    ``procesamiento@*`` allowed. ``services_of``: the units of one host by its name, in the place of ``services``.
    ``certificates``: what must not expire: files on the hosts (PEM), and ``host:port`` that this machine asks over TLS.
    """

    addresses: tuple[str, ...]
    ssh_config: Path | None = None
    ssh_identity_file: Path | None = None
    jump_host: str | None = None
    services: tuple[str, ...] = ()
    services_of: dict[str, tuple[str, ...]] = {}
    certificates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [host_name(address) for address in self.addresses]
        if unknown := self.services_of.keys() - set(names):
            raise ValueError(f"services_of names {min(unknown)!r}, which is no host (there are: {', '.join(names)})")
        if self.jump_host is not None and (self.jump_host.startswith("-") or not self.jump_host.isprintable()):
            raise ValueError(f"{self.jump_host!r} is no host to jump through")

    def units(self, address: str) -> tuple[str, ...]:
        """The units that must run on this host, with their suffix."""
        named = self.services_of.get(host_name(address), self.services)
        return tuple(name if name.endswith(_KINDS) else f"{name}.service" for name in named)

    @property
    def files(self) -> tuple[str, ...]:
        """The certificates that lie on the hosts."""
        return tuple(name for name in self.certificates if name.startswith("/"))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The certificates that are shown to whoever connects, as ``host:port``."""
        return tuple(name for name in self.certificates if not name.startswith("/"))


def host_name(address: str) -> str:
    """What a person calls the host of an address."""
    kind, _, rest = address.partition(_SCHEME)
    return rest.partition(_OPTIONS)[0].rpartition("@")[2] or kind
