"""Where messages go: addresses as Apprise writes them, each revealed only when something is sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from runbook.errors import DeliveryError, SettingsError
from runbook.redact import masked_text
from runbook.settings import NotificationsSettings, Secret
from runbook.text import text
from runbook.tongue import _


class Channel(NamedTuple):
    """One address. ``place`` is where the site file has it; ``escalation`` ones are told only when nobody acts."""

    place: str
    address: Secret
    escalation: bool

    def send(self, title: str, body: str, tone: str) -> None:
        """Hand a message over; ``tone`` is Apprise's word: failure, warning, success or info.

        Raises DeliveryError naming the setting, never the address.
        """
        apprise = _apprise()
        sender = apprise.Apprise()
        if not sender.add(self.address.reveal()):
            raise DeliveryError(text("What {setting} refers to is no address that Apprise knows", setting=self.place))
        with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as said:
            sent = sender.notify(body, title, tone, body_format=apprise.NotifyFormat.TEXT)
            why = " ".join(masked_text(said.getvalue()).split())[:300]
        if not sent:
            raise DeliveryError(text("{setting} did not take the message: {why}", setting=self.place, why=why or "–"))


def channels(settings: NotificationsSettings, environment: str) -> Iterator[Channel]:
    """Those that are told of every change, then those that are told when nobody acts."""
    key = f"environments.{environment}.notifications"
    for place, address in enumerate(settings.urls, 1):
        yield Channel(f"{key}.urls.{place}", address, escalation=False)
    for place, address in enumerate(settings.escalate_to, 1):
        yield Channel(f"{key}.escalate_to.{place}", address, escalation=True)


def _apprise() -> Any:
    try:
        import apprise
    except ImportError:
        words = _("notifications need one more package: install muses-runbook[notify]")
        raise SettingsError(words, key="notifications") from None
    return apprise
