"""What an identity may do at a target, as ``muses-runbook doctor`` shows it."""

from __future__ import annotations

from typing import Literal

import msgspec

from runbook.text import Text


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """One thing an identity must be able to do, whether it can, and the exact command that mends it.

    ``what`` is in words for a person, ``mend`` is a command, or what to change where, to be copied as it is.
    """

    what: Text | str
    held: bool
    mend: str = ""
    identity: Literal["reader", "operator"] = "reader"
