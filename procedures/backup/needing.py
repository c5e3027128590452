"""What the proof of a backup needs of this machine before it begins: programs and room."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from procedures.backup.choosing import Chosen
from procedures.backup.clusters import EMPTY
from procedures.backup.places import Place
from procedures.backup.programs import Programs, programs_of
from procedures.backup.proof_folders import check_room, folder_of
from runbook.errors import SettingsError
from runbook.text import Text

#: Of a dump's bytes: its tables with their overhead, their indexes, what sorting for these takes.
_GROWTH = 2.5


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What is found before anything is done: the backup, and the room that restoring it takes of what is free."""

    backup: Chosen
    folder: Path
    need: int
    free: int
    objections: tuple[Text, ...] = ()


def needed(place: Place, backup: Chosen, *, whole: bool, jobs: int) -> Outlook:
    """What it would take. Raises SettingsError where there is no folder for it."""
    below, need = folder_of(place.backup.proof), _room(backup, whole=whole, jobs=jobs)
    objections: tuple[Text, ...] = ()
    try:
        check_room(below, need)
    except SettingsError as error:
        objections = (error.said,)
    free = shutil.disk_usage(below).free
    return Outlook(backup=backup, folder=below, need=need, free=free, objections=objections)


def programs_for(backup: Chosen, place: Place) -> Programs:
    """Those of the dumped server's major version, the server's own among them. Raises SettingsError."""
    programs = programs_of(backup.manifest.major, place.backup.programs)
    for name in ("initdb", "postgres", "pg_restore"):
        programs.path(name)
    return programs


def _room(backup: Chosen, *, whole: bool, jobs: int) -> int:
    """How many bytes must be free for it."""
    dump = backup.manifest.dump_bytes
    return EMPTY + (int(_GROWTH * dump) if whole else 0) + (dump if whole and jobs > 1 else 0)
