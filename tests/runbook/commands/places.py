"""Site files with rows of their own: good ones, broken ones, ones that kill or keep their process."""

from __future__ import annotations

from pathlib import Path

ROW = '''
from runbook.limits import Limits, Threshold
from runbook.rows import row


@row("OWN-01", source="Prueba", es="Hay lugar", threshold=Threshold(90, 97, unit="%"))
def check_room(limits: Limits) -> None:
    """There is room."""
    limits.judge({value}, of="disco")
'''
DIES = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
#: Tells whoever reads the pipe that it is here, and stays.
HANGS = "import time\nopen({pipe!r}, 'w').close()\ntime.sleep(600)\n"
SLOW = ROW.format(value="__import__('time').sleep(600)")
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def site(folder: Path, name: str, **rows: str) -> Path:
    """A site file whose environments have one module of rows each, of that source."""
    lines = ["[site]", f'name = "{name}"', f'state = "{folder / name}"', 'language = "en"']
    for environment, source in rows.items():
        pack = folder / f"{name}-{environment}"
        pack.mkdir()
        (pack / "own.py").write_text(source)
        lines += [f"[environments.{environment}.packs]", f'folders = ["{pack.name}"]']
    file = folder / f"{name}.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def row(value: float) -> str:
    """A row that judges this value: 90 warns, 97 is critical."""
    return ROW.format(value=value)
