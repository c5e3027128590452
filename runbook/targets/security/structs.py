"""What the security target's probes give. Nothing here holds a secret: only where one is, and who can get at it."""

from __future__ import annotations

from typing import Literal

import msgspec

from runbook.text import Text

#: ``optional``: TLS if the server offers it, so whoever is in between decides. ``encrypted``: with whom is not proven.
Wire = Literal["verified", "encrypted", "optional", "plain"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An address that the site file names under ``setting``; ``local``: on this machine, over no network."""

    setting: str
    where: str
    wire: Wire
    local: bool


class DefaultAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account that a maker ships. ``opens``: it lets in; None where that could not be tried, with a ``problem``."""

    system: Literal["database", "broker", "storage"]
    account: str
    opens: bool | None
    problem: Text | None = None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the site file is, or names. ``others_read`` and ``others_write`` count only where they get there.

    ``others_write`` is true as well where they may replace it in its folder. ``problem`` says why it was not seen.
    """

    setting: str
    path: str
    holds: Literal["settings", "credential"]
    others_read: bool = False
    others_write: bool = False
    group_writes: bool = False
    problem: Text | None = None


class InClear(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that stands in the site file itself, by the setting that it is in, and the form it has."""

    setting: str
    kind: Literal["URL", "AKIA", "PRIVATE KEY", "Bearer", "argv", "TOML"]


class Powers(msgspec.Struct, frozen=True, kw_only=True):
    """Who may act: where the policy lets a remedy of high risk act by itself, and who reads as the one who acts.

    ``high``: at that risk always. ``rows``: rows that may, whatever their risk. ``windows``: in these windows.
    ``alike``: targets that reader and operator enter as the same. ``reader`` and ``operator`` are the database's roles,
    ``applications`` those of the services.
    """

    high: bool
    rows: tuple[str, ...]
    windows: tuple[str, ...]
    alike: tuple[str, ...]
    reader: str | None
    operator: str | None
    applications: tuple[str, ...] = ()
