"""Single keys of a person at the terminal, heard while the command works on."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: How often the listener looks whether it is still wanted.
_PATIENCE = 0.2


@contextmanager
def heard(hear: Callable[[str], None]) -> Iterator[bool]:
    """Call ``hear`` with each key that is pressed, on a thread of its own; the terminal is as it was afterwards.

    False where nobody can press one: standard input is no terminal, or another program has it.
    """
    if not _is_ours():
        yield False
        return
    import termios
    import tty

    terminal, over = sys.stdin.fileno(), threading.Event()
    before = termios.tcgetattr(terminal)
    listener = threading.Thread(target=_listen, args=(terminal, over, hear), name="keys", daemon=True)
    try:
        tty.setcbreak(terminal)  # a key at a time, not echoed; Ctrl-C is still a signal
        listener.start()
        yield True
    finally:
        over.set()
        with suppress(termios.error):  # a connection that broke has no terminal any more
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        listener.join(2 * _PATIENCE)


def _is_ours() -> bool:
    """Whether standard input is a terminal and this process stands in its foreground: else reading it would stop it."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _listen(terminal: int, over: threading.Event, hear: Callable[[str], None]) -> None:
    while not over.is_set():
        if not select.select([terminal], [], [], _PATIENCE)[0]:
            continue
        try:
            pressed = os.read(terminal, 64)
        except OSError:
            return
        if not pressed:
            return
        for key in pressed.decode(errors="ignore"):
            hear(key)
