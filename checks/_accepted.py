"""Objects that are as they are by design: each is told with the site's reason, and judges nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from runbook.limits import Limits
from runbook.model import State
from runbook.text import Text, text


class Holding:
    """Keeps verdicts on objects; one that the site accepts (``security.accepted``) keeps the reason in its place."""

    def __init__(self, limits: Limits, accepted: Mapping[str, str]) -> None:
        self._limits, self._accepted = limits, accepted

    def hold(self, state: State, of: str, said: Text) -> None:
        """Keep the verdict on one object. What is in order needs nobody to accept it."""
        reason = self._accepted.get(of)
        if reason is not None and state in (State.WARNING, State.CRITICAL):
            state, said = State.SKIPPED, text("{object} is accepted as it is: {reason}", object=of, reason=reason)
        self._limits.hold(state, of=of, summary=said)
