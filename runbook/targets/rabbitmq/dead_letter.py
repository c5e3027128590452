"""One dead letter: where it belongs, whether it may go back, and what it looks like when it does. Pure.

RabbitMQ 3.x counts the deaths of a message on in ``x-death`` when it is published again with that header; 4.x begins
anew each time. So the times that we put it back are counted in a header of our own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from runbook.settings.broker import ReplaySettings
from runbook.text import Text, text

if TYPE_CHECKING:
    from pika.spec import BasicProperties

REPLAYS = "x-muses-replays"
#: Kept under names of our own: the broker would send copies elsewhere for the first two, and refuses the third.
ASIDE = {"CC": "x-muses-cc", "BCC": "x-muses-bcc"}
USER_ID = "x-muses-user-id"
#: What quorum queues count on each delivery: it says nothing of the message itself.
_COUNTED = frozenset({"x-delivery-count", "x-acquired-count"})
_PROPERTIES = (
    "content_type",
    "content_encoding",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)


def origin(properties: BasicProperties) -> str | None:
    """The queue that it died in last; None where the broker wrote nothing of a death."""
    deaths = _deaths(properties)
    return str(deaths[0].get("queue")) if deaths else None


def held_because(
    properties: BasicProperties, queue: str, targets: Collection[str], settings: ReplaySettings
) -> Text | None:
    """Why a message of the dead-letter ``queue`` must stay there; None where it may go back."""
    deaths, target = _deaths(properties), origin(properties)
    if target is None:
        return text("nothing says which queue they come from")
    if target not in targets:
        return text("they come from {queue}, which the site does not name", queue=target)
    if any(death.get("queue") == queue for death in deaths):
        return text("they went in a circle: they died in {queue} too", queue=queue)
    if sum(_number(death.get("count")) for death in deaths if death.get("queue") == target) > settings.max_deaths:
        return text("they died more than {most} times", most=settings.max_deaths)
    if _replays(properties) >= settings.max_replays:
        return text("they were put back before and came again")
    return None


def put_back(properties: BasicProperties) -> BasicProperties:
    """The same properties and headers for publishing it again, persistent, and counted by us."""
    from pika.spec import BasicProperties

    headers = {ASIDE.get(name, name): value for name, value in _headers(properties).items() if name not in _COUNTED}
    headers[REPLAYS] = _replays(properties) + 1
    if properties.user_id is not None:
        headers[USER_ID] = properties.user_id
    kept = {name: getattr(properties, name) for name in _PROPERTIES}
    return BasicProperties(headers=headers, **{**kept, "delivery_mode": 2, "user_id": None})


def is_identified(properties: BasicProperties) -> bool:
    """Whether its publisher gave it a name of its own: two that look alike are then the same message."""
    return bool(properties.message_id or properties.correlation_id)


def digest(properties: BasicProperties, body: bytes) -> str:
    """What a message is told apart by: everything of it, with the moment of its death; nothing of it can be read."""
    told = [(name, repr(getattr(properties, name))) for name in _PROPERTIES]
    headers = {name: value for name, value in _headers(properties).items() if name not in _COUNTED}
    known = repr((told, _ordered(headers))).encode()
    return hashlib.sha256(hashlib.sha256(known).digest() + body).hexdigest()


def _deaths(properties: BasicProperties) -> list[Mapping[str, Any]]:
    told = _headers(properties).get("x-death")
    return [death for death in told if isinstance(death, dict)] if isinstance(told, list) else []


def _headers(properties: BasicProperties) -> Mapping[str, Any]:
    return properties.headers or {}


def _replays(properties: BasicProperties) -> int:
    return _number(_headers(properties).get(REPLAYS))


def _number(value: object) -> int:
    return int(value) if isinstance(value, int) else 0


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((name, _ordered(inner)) for name, inner in value.items())
    return [_ordered(inner) for inner in value] if isinstance(value, list) else repr(value)
