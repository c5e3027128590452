"""One acting run per environment, also between processes; gone with the process that held it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runbook.acting.locks import acting_on
from runbook.errors import LockError

HOLD = """
import sys, pathlib
from runbook.acting.locks import acting_on
with acting_on("e", pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_by_name_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockError, match=f"process {other.pid}"), acting_on("e", tmp_path):
            pass
        with acting_on("another environment", tmp_path):
            pass
        other.kill()
    with acting_on("e", tmp_path):
        pass


def test_a_lock_that_cannot_be_made_lets_nothing_act(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(LockError, match="nothing acts"), acting_on("e", tmp_path / "state"):
        pass
