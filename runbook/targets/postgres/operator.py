"""The operator at work: one connection for one operation, and the comparison of what is with what was planned."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, NoReturn

from runbook.errors import ActionError, ProbeError
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.connection import Line, mapped, opened
from runbook.text import Text, text


class Operator(Line):
    """The operator's connection in the hands of one operation."""

    operation = ""

    def refuse(self, words: Text) -> NoReturn:
        """Nothing was changed, because the target is not as the plan knew it."""
        raise ActionError(self.access.target, self.operation, words, refused=True)

    def fail(self, words: Text) -> NoReturn:
        """It did not happen, or not as planned."""
        raise ActionError(self.access.target, self.operation, words)

    def compare(self, planned: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Refuse unless everything that the plan names is still so; a fact that we do not know is never taken as so."""
        for name, value in planned.items():
            if name not in found:
                self.refuse(text("The plan names {fact}, which is not known of the target", fact=name))
            if _comparable(value, found[name]) != found[name]:
                now, then = _shown(found[name]), _shown(value)
                self.refuse(
                    text("{fact} is {now} and was {then} when the plan was made", fact=name, now=now, then=then)
                )


@contextmanager
def operating(access: Access, operation: str, seconds: float) -> Iterator[Operator]:
    """Log in as the operator, for one operation that must end in ``seconds``. Raises ActionError for all that fails."""
    try:
        with closing(opened(access, "operator")) as connection:
            ends_at = time.monotonic() + seconds
            with mapped(access, connection, ends_at):
                operator = Operator(access, connection, ends_at)
                operator.operation = operation
                yield operator
    except ProbeError as error:
        raise ActionError(access.target, operation, error.said) from error


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON values."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}


def _comparable(planned: Any, found: Any) -> Any:
    """A plan is JSON: times are text there, columns a list."""
    if isinstance(found, datetime) and isinstance(planned, str):
        try:
            return datetime.fromisoformat(planned)
        except ValueError:
            return planned
    return list(planned) if isinstance(planned, tuple) else planned


def _shown(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
