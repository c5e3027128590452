"""PostgreSQL's server refuses to run as root: root runs it as nobody."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

_NOBODY = 65534


@functools.cache
def unprivileged() -> tuple[str, ...]:
    """What goes before the server's programs; nothing where we are not root.

    A user namespace of their own leaves the files ours; where the kernel allows none, nobody gets them.
    """
    if os.geteuid() != 0:
        return ()
    namespace = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--")
    if (
        shutil.which("unshare")
        and subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode == 0
    ):
        return namespace
    return ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--")


def handed_over(*folders: Path) -> None:
    """Give the folders to whom the programs run as, where that is somebody else."""
    if unprivileged()[:1] == ("setpriv",):
        for folder in folders:
            os.chown(folder, _NOBODY, _NOBODY)
