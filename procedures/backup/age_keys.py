"""The keys of age: for whom backups are encrypted, and with which they are read back."""

from __future__ import annotations

from typing import Any

from runbook.errors import SettingsError
from runbook.settings import BackupSettings, Secret
from runbook.text import text


def recipients_of(settings: BackupSettings) -> list[Any]:
    """Those for whom backups are encrypted here.

    Raises SettingsError for one that is none, and where we are not among them: nobody could read back what is written.
    """
    if not settings.age_recipients:
        return []
    age = age_library()
    try:
        recipients = [age.x25519.Recipient.from_str(recipient) for recipient in settings.age_recipients]
    except age.RecipientError as error:
        raise SettingsError(f"{error}", key="backup.age_recipients") from error
    ours = identity_of(age, settings.age_identity, "").to_public()
    if str(ours) not in map(str, recipients):
        said = text("it belongs to none of age_recipients: what is written could not be read back")
        raise SettingsError(said, key="backup.age_identity")
    return recipients


def identity_of(age: Any, secret: Secret | None, key: str) -> Any:
    """The key to read ``key`` with. Raises SettingsError where there is none."""
    if secret is None:
        raise SettingsError(text("{key} is encrypted with age: set age_identity", key=key), key="backup.age_identity")
    try:
        return age.x25519.Identity.from_str(secret.reveal())
    except age.IdentityError as error:
        raise SettingsError("it holds no age identity", key="backup.age_identity") from error


def age_library() -> Any:
    """age. Raises SettingsError where it is not installed."""
    try:
        import pyrage
    except ImportError:
        said = text("age_recipients need the extra: install {extra}", extra="muses-runbook[age]")
        raise SettingsError(said, key="backup.age_recipients") from None
    return pyrage
