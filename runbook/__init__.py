"""The engine of the runbook that runs itself.

It imports none of ``checks``, ``procedures``, ``reports`` and ``lab``: they build on it.
"""

__version__ = "0.1.0"
