"""``poison-messages``: messages that no worker can take; each is rejected and comes to rest among the dead letters."""

from __future__ import annotations

from lab import records
from lab.incidents import queue
from lab.incidents.breakage import Breakage, await_effect
from lab.incidents.truth import NONE, Truth
from lab.place import Place
from lab.topology import DEAD_LETTERS

MESSAGES = 25


def _apply(place: Place) -> None:
    if _is_broken(place):
        return
    queue.publish(place, records.malformed(MESSAGES))
    await_effect("los workers rechacen los mensajes", lambda: queue.dead_letters(place) >= MESSAGES)


def _heal(place: Place) -> None:
    queue.purge(place, DEAD_LETTERS)


def _is_broken(place: Place) -> bool:
    return queue.dead_letters(place) > 0


BREAKAGE = Breakage(
    name="poison-messages",
    breaks="Llegan 25 mensajes mal formados; los workers los rechazan y quedan en la cola de mensajes muertos.",
    expect="QUEUE-02 incumplida; causa confirmada: mensajes mal formados (messages_are_poisoned); decide una persona.",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    truth=Truth("QUEUE-02", frozenset({"messages_are_poisoned"}), fixed=False, also={"QUEUE-08": NONE}),
)
