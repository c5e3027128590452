"""A process that puts dead letters back and is killed at a milestone: one fork a line of its input.

It has loaded everything and opened nothing, and a single thread, so that a fork of it is sound.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import msgspec
from pika.adapters.blocking_connection import BlockingChannel

from runbook.model import Effect, Step
from runbook.settings import BrokerSettings
from runbook.targets.rabbitmq.broker import Broker
from runbook.targets.rabbitmq.ledger import Ledger
from runbook.targets.rabbitmq.replay import Replay
from runbook.text import text

ROOT = Path(__file__).resolve().parents[4]
#: After each of these the process may die; in this order they happen to one message.
MILESTONES = ("got", "sending", "published", "confirmed", "acknowledged", "closed")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Put so many messages back, and die after the milestone of the n-th of them."""

    settings: BrokerSettings
    state: Path
    queue: str
    messages: int
    milestone: str
    nth: int


class Killer:
    """The process, as a test sees it."""

    def __init__(self, process: Popen[bytes]) -> None:
        self._process = process

    def kill(self, order: Order) -> int:
        """Carry the order out; the number of the signal that ended it, 0 where it was not killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order, enc_hook=str) + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def killer() -> Iterator[Killer]:
    """The process, ended at the end."""
    with Popen([sys.executable, "-m", __spec__.name], stdin=PIPE, stdout=PIPE, cwd=ROOT) as process:
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


def step(queue: str, messages: int) -> Step:
    """The step that a plan would have."""
    return Step(
        what=text("…"),
        target="broker",
        operation="replay",
        arguments={"queue": queue, "most": 500},
        fingerprint={"messages": messages},
        effect=Effect.CHANGE,
    )


def main() -> None:
    """Read orders until there are no more."""
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order, dec_hook=_decoded)
        child = os.fork()
        if not child:
            _work(order)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status & 0x7F}\n")
        sys.stdout.flush()


def _work(order: Order) -> None:
    _arm(order.milestone, order.nth)
    broker = Broker("broker", order.settings, environment="lab", state=order.state)
    broker.perform(step(order.queue, order.messages))
    os._exit(0)


def _arm(milestone: str, nth: int) -> None:
    """Die after the n-th passing of the milestone."""
    left = nth

    def passed(what: str) -> None:
        nonlocal left
        left -= what == milestone
        if what == milestone and not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def then(kind: type, name: str, what: Callable[[tuple[Any, ...]], str]) -> None:
        original = getattr(kind, name)

        def wrapped(*given: Any, **named: Any) -> Any:
            found = original(*given, **named)
            passed(what(given))
            return found

        setattr(kind, name, wrapped)

    then(BlockingChannel, "basic_get", lambda _: "got")
    then(BlockingChannel, "basic_publish", lambda _: "published")
    then(BlockingChannel, "basic_ack", lambda _: "acknowledged")
    then(Ledger, "write", lambda given: str(given[1]))
    then(Replay, "_taken", lambda _: "canary")


def _decoded(kind: type, value: Any) -> Any:
    return kind(value)


if __name__ == "__main__":
    main()
