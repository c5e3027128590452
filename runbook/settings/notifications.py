"""Who is told when an incident begins, changes and ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from runbook.settings.words import Secret, Strict


class NotificationsSettings(Strict, frozen=True, kw_only=True):
    """Addresses as Apprise writes them (``mailtos://…``, ``slack://…``): each a secret, for it holds a password.

    ``on = "change"`` tells when an incident begins, gets worse or better, takes in a new row and ends, never the same
    twice; ``"never"`` tells nothing. Where nobody has acknowledged an incident (``muses-runbook ack``)
    ``escalate_after`` its beginning, ``escalate_to`` is told once, and then of what changes. ``silence`` tells
    when no run was made for so long.
    """

    urls: tuple[Secret, ...] = ()
    on: Literal["change", "never"] = "change"
    escalate_after: timedelta | None = None
    escalate_to: tuple[Secret, ...] = ()
    silence: timedelta | None = None

    def __post_init__(self) -> None:
        if bool(self.escalate_to) != (self.escalate_after is not None):
            raise ValueError("escalate_after and escalate_to belong together: after how long, and whom")
        for name, span in (("escalate_after", self.escalate_after), ("silence", self.silence)):
            if span is not None and span <= timedelta(0):
                raise ValueError(f"{name} is longer than nothing")
