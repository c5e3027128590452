"""What the site holds its own guard against."""

from __future__ import annotations

from runbook.settings.words import Strict


class SecuritySettings(Strict, frozen=True, kw_only=True):
    """Who may be what in the database, and what is known and meant to be so.

    ``superusers`` may be superusers, or come near it. ``login_roles`` are all other roles that may log in, beside the
    reader, the operator and ``database.application_roles``; without a list nobody can tell a stranger.
    ``operator_roles`` are roles that the operator may be a member of: the owner of the tables.
    ``accepted`` names objects of the rows SEC-nn that are so by design, each with the reason, which is shown in the
    verdict's place. What is to be mended belongs to ``waivers``, which end.
    """

    superusers: tuple[str, ...] = ("postgres",)
    login_roles: tuple[str, ...] = ()
    operator_roles: tuple[str, ...] = ("muses_owner",)
    accepted: dict[str, str] = {}

    def __post_init__(self) -> None:
        for name, reason in self.accepted.items():
            if not reason.strip():
                raise ValueError(f"accepted.{name} has no reason")
