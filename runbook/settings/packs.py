"""Rows that do not come with the product."""

from __future__ import annotations

from pathlib import Path

from runbook.settings.words import Strict


class PacksSettings(Strict, frozen=True, kw_only=True):
    """Rows of the site's own: every module and ``.sql`` file of these folders, and installed packages by name.

    A relative folder lies beside the site file. A package is the name of an entry point in the group
    ``muses_runbook.rows``; one that is installed and not named here is not loaded.
    """

    folders: tuple[Path, ...] = ()
    packages: tuple[str, ...] = ()
