"""The secrets of a target's identities, read when they are used."""

from __future__ import annotations

from runbook.errors import ProbeError, ProbeFailure, SettingsError
from runbook.settings import Secret


def revealed(target: str, secret: Secret | None) -> str | None:
    """The secret, or None where the settings name none.

    Raises ProbeError(DENIED) that names the reference when it cannot be read: without it nobody logs in.
    """
    if secret is None:
        return None
    try:
        return secret.reveal()
    except SettingsError as error:
        raise ProbeError(target, ProbeFailure.DENIED, error.said) from error
