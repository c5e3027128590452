"""One lab for the whole session, whoever asks for it."""

from __future__ import annotations

from lab.testing import lab_place

__all__ = ["lab_place"]
