"""The direction of imports is a test; and one contract goes red on purpose, to prove that they bite."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = Path(sys.executable).with_name("lint-imports")

RED = """
[importlinter]
root_packages =
    runbook
    checks

[importlinter:contract:red]
name = Rows never see targets (they do: this one must break)
type = forbidden
source_modules = checks
forbidden_modules = runbook.model
"""


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--config", config, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_imports_go_the_way_the_folders_say() -> None:
    done = lint(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_contract_that_is_broken_goes_red(tmp_path: Path) -> None:
    (tmp_path / "red.ini").write_text(RED)
    done = lint(tmp_path / "red.ini")
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


@pytest.mark.parametrize("room", ["checks", "procedures", "reports", "lab"])
def test_every_room_is_kept_out_of_the_engine(room: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert room in contracts[0]["forbidden_modules"]
