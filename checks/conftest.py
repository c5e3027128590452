"""Collect the rows of this folder. Only here: a unit test that imports a check must not run it live."""

from __future__ import annotations

from runbook.collecting import collect_rows as pytest_collect_file

__all__ = ["pytest_collect_file"]
