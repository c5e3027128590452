"""The hosts: is there room on their disks, in their memory, on their processors?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _host_advice as advice
from checks import _host_filling, _host_judging
from checks._host_seen import each
from runbook.limits import Limits, Threshold
from runbook.rows import row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.hosts.hosts import Hosts


@row(
    "HOST-01",
    source="práctica común: 80 % y 90 %, como los complementos de Nagios para discos",
    es="Los discos de los servidores tienen espacio",
    threshold=Threshold(warning=80, critical=90, unit="%"),
    person=advice.DISKS,
)
def check_disks_have_room(hosts: Hosts, limits: Limits) -> None:
    """The disks of the hosts have room.

    A full disk stops the database, the broker and the logs at once.
    """
    for found in hosts.disks():
        if found.problem is not None:
            limits.cannot_see(text("{host} cannot be read: {problem}", host=found.host, problem=found.problem))
        for disk in found.disks:
            _host_judging.disk(disk, limits)


@row(
    "HOST-06",
    source="práctica común: 90 % y 97 % de la memoria según MemAvailable del núcleo",
    es="Los servidores tienen memoria disponible",
    threshold=Threshold(warning=90, critical=97, unit="%"),
    person=advice.MEMORY,
)
def check_hosts_have_memory(hosts: Hosts, limits: Limits) -> None:
    """The hosts have memory left.

    A host without memory makes every service on it slow, and then the kernel kills one of them.
    """
    for facts in each(hosts, limits):
        _host_judging.memory(facts, limits)


@row(
    "HOST-08",
    source="práctica común: 50 % y 80 % del intercambio, como check_swap de Nagios",
    es="Los servidores no viven de su memoria de intercambio",
    threshold=Threshold(warning=50, critical=80, unit="%"),
    person=advice.SWAP,
)
def check_hosts_do_not_swap(hosts: Hosts, limits: Limits) -> None:
    """The hosts do not live on their swap space.

    What is swapped out answers a thousand times later, and full swap space is the last step before kills.
    """
    for facts in each(hosts, limits):
        _host_judging.swap(facts, limits)


@row(
    "HOST-09",
    source="práctica común: 80 % y 95 % de fs.file-max",
    es="Los servidores tienen descriptores de archivo libres",
    threshold=Threshold(warning=80, critical=95, unit="%"),
    person=advice.HANDLES,
)
def check_hosts_have_file_handles(hosts: Hosts, limits: Limits) -> None:
    """The hosts have file handles left.

    Without one no program of the host can open a file or accept a connection.
    """
    for facts in each(hosts, limits):
        said = text("{host}: {used} of {limit} file handles are taken", **_host_judging.shares(facts, facts.handles))
        _host_judging.share(facts.handles, facts.host, said, limits)


@row(
    "HOST-12",
    source="práctica común: una semana para actuar en horario de oficina; un día, como node-mixin de Prometheus",
    es="Los discos de los servidores no se llenarán pronto",
    threshold=Threshold(warning=timedelta(days=7), critical=timedelta(days=1), direction="below"),
    # Fewer or closer samples show the hour of the day, not growth.
    settings={"look_back": timedelta(days=14), "least_samples": 5, "least_span": timedelta(days=1)},
    person=advice.DISKS,
)
def check_disks_do_not_fill(hosts: Hosts, history: History, limits: Limits) -> None:
    """The disks of the hosts will not be full soon.

    A forecast asks for room by day what a full disk would take at night.
    """
    for found in hosts.disks():
        if found.problem is not None:
            limits.cannot_see(text("{host} cannot be read: {problem}", host=found.host, problem=found.problem))
        for disk in found.disks:
            _host_filling.judge(disk, history, limits)


@row(
    "HOST-15",
    source="práctica común: carga de 5 minutos sobre los procesadores; con 150 % se espera, con 300 % casi no responde",
    es="La carga de los servidores cabe en sus procesadores",
    threshold=Threshold(warning=150, critical=300, unit="%"),
    person=advice.LOAD,
)
def check_load_fits_the_processors(hosts: Hosts, limits: Limits) -> None:
    """The load of the hosts fits their processors.

    Beyond that everything waits for its turn: replicas added to such a host make it worse.
    """
    for facts in each(hosts, limits):
        _host_judging.load(facts, limits)


@row(
    "HOST-17",
    source="práctica común: 80 % y 95 % del menor de kernel.threads-max y kernel.pid_max",
    es="Los servidores pueden crear procesos",
    threshold=Threshold(warning=80, critical=95, unit="%"),
    person=advice.TASKS,
)
def check_hosts_can_start_processes(hosts: Hosts, limits: Limits) -> None:
    """The hosts can start processes.

    At the limit nobody can even log in to mend it.
    """
    for facts in each(hosts, limits):
        said = text("{host}: {used} of {limit} tasks run", **_host_judging.shares(facts, facts.tasks))
        _host_judging.share(facts.tasks, facts.host, said, limits)
