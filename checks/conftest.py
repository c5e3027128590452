"""Collect the rows of this folder. Only here: a unit test that imports a check must not run it live."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.plugin import RowModule


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> RowModule | None:
    """Every public module of the folder holds rows."""
    if file_path.suffix == ".py" and not file_path.name.startswith(("_", "conftest")):
        return RowModule.from_parent(parent, path=file_path)
    return None
