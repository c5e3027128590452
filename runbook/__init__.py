"""The engine of the runbook that runs itself.

It imports none of ``checks``, ``procedures``, ``reports`` and ``lab``: they build on it.
"""

import sys

__version__ = "0.1.0"


def asserts_are_off() -> bool:
    """Whether this is ``python -O``: it removes asserts, and rows would turn green."""
    return sys.flags.optimize > 0
