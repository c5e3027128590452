"""What a breakage is, and how its effect is waited for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.errors import LabError
from lab.incidents.truth import Truth
from lab.place import Place

#: How long an effect may take to show before the breakage is said not to work here, s.
PATIENCE = 15.0
POLL = 0.1


@dataclass(frozen=True)
class Breakage:
    """One real cause. ``breaks`` says what it breaks, ``expect`` what ``check`` must say of it, both in Spanish.

    ``truth`` is what ``check`` is judged by; ``mended`` asks the real thing whether it does no harm any more, where
    that is not just its absence.

    Applying and healing may be repeated, and each returns when it shows. All raise LabError, where a server of the
    lab does not answer too.
    """

    name: str
    breaks: str
    expect: str
    applied: Callable[[Place], None]
    healed: Callable[[Place], None]
    shows: Callable[[Place], bool]
    truth: Truth
    mended: Callable[[Place], bool] | None = None

    def apply(self, place: Place) -> None:
        """Break it; returns when it is in effect."""
        with _told_plainly():
            self.applied(place)

    def heal(self, place: Place) -> None:
        """Undo it and what it left waiting; returns when that is done."""
        with _told_plainly():
            self.healed(place)

    def is_broken(self, place: Place) -> bool:
        """Whether it is in effect, asked of the real thing; reads only."""
        with _told_plainly():
            return self.shows(place)

    def is_cured(self, place: Place) -> bool:
        """Whether it does no harm any more, by itself or by a remedy; reads only."""
        with _told_plainly():
            return self.mended(place) if self.mended else not self.shows(place)


def await_effect(what: str, shows: Callable[[], bool], patience: float = PATIENCE, poll: float = POLL) -> None:
    """Poll until the effect shows. Raises LabError saying ``what`` did not come about."""
    deadline = time.monotonic() + patience
    while not shows():
        if time.monotonic() > deadline:
            raise LabError(f"tras {patience:g} s no se logró que {what}")
        time.sleep(poll)


@contextlib.contextmanager
def _told_plainly() -> Iterator[None]:
    """A driver's error says which server does not answer: that is all that the user of a lab needs."""
    from xmlrpc.client import Fault

    import psycopg
    from botocore.exceptions import BotoCoreError, ClientError
    from pika.exceptions import AMQPError

    try:
        yield
    except (psycopg.Error, AMQPError, BotoCoreError, ClientError, Fault, OSError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise LabError(f"un servidor del laboratorio no responde como debe: {words}") from error
