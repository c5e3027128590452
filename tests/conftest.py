"""What all tests share: one running lab a session, its own and taken away at the end."""

from __future__ import annotations

from lab.testing import lab_place

__all__ = ["lab_place"]
