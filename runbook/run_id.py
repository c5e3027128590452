"""Names of runs: of a check, of a procedure, of a purge in its ledger."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_run_id() -> str:
    """An id that sorts by time, to the second, and is unique among runs of the same one."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
