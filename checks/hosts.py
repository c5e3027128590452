"""The hosts: is there room on their disks?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook.limits import Limits, Threshold
from runbook.rows import row
from runbook.text import percent, size, text

if TYPE_CHECKING:
    from runbook.targets.hosts.hosts import Disk, Hosts

FOR_A_PERSON = text(
    "Find what grows: `du -xh --max-depth=2 MOUNT | sort -h | tail`, and `df -i MOUNT` for the inodes. Rotated logs "
    "and old dumps may go; nothing below the data folder of PostgreSQL or RabbitMQ ever may"
)


@row(
    "HOST-01",
    source="práctica común: 80 % y 90 %, como los complementos de Nagios para discos",
    es="Los discos de los servidores tienen espacio",
    threshold=Threshold(warning=80, critical=90, unit="%"),
    person=FOR_A_PERSON,
)
def check_disks_have_room(hosts: Hosts, limits: Limits) -> None:
    """The disks of the hosts have room.

    A full disk stops the database, the broker and the logs at once.
    """
    for found in hosts.disks():
        if found.problem is not None:
            limits.cannot_see(text("{host} cannot be read: {problem}", host=found.host, problem=found.problem))
        for disk in found.disks:
            _judge(disk, limits)


def _judge(disk: Disk, limits: Limits) -> None:
    where = {"host": disk.host, "mount": disk.mount}
    said = text(
        "{host}: {mount} is {used} full, {free} are free",
        **where,
        used=percent(disk.used_percent),
        free=size(disk.free),
    )
    limits.judge(disk.used_percent, of=f"{disk.host}:{disk.mount}", summary=said)
    if disk.inodes_percent is not None:
        files = text("{host}: {used} of the inodes of {mount} are taken", **where, used=percent(disk.inodes_percent))
        limits.judge(disk.inodes_percent, of=f"{disk.host}:{disk.mount} (inodes)", summary=files)
