"""The services on the hosts: does systemd run what must run, for long enough, and within its limits?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _host_advice as advice
from checks import _host_units
from checks._host_seen import each, running, services
from runbook.limits import Limits, Threshold
from runbook.rows import row

if TYPE_CHECKING:
    from runbook.targets.hosts.hosts import Hosts


@row(
    "HOST-02",
    source="Guía de Operaciones §3: verificar que el worker esté activo",
    es="Los servicios están activos",
    person=advice.ACTIVE,
)
def check_services_are_active(hosts: Hosts, limits: Limits) -> None:
    """The services are active.

    What does not run does nothing of what others wait for.
    """
    for service in services(hosts, limits):
        _host_units.active(service, limits)


@row(
    "HOST-03",
    source="práctica común: lo que no está habilitado no vuelve después de un reinicio",
    es="Los servicios están habilitados",
    person=advice.ENABLED,
)
def check_services_are_enabled(hosts: Hosts, limits: Limits) -> None:
    """The services are enabled.

    One that is not does not come back after the host's next restart, mostly at night.
    """
    for service in services(hosts, limits):
        _host_units.enabled(service, limits)


@row(
    "HOST-04",
    source="práctica común: un reinicio en una hora es una caída; más de tres, un ciclo",
    es="Los servicios no se reinician solos",
    threshold=Threshold(warning=0, critical=3, unit="restarts"),
    person=advice.RESTARTS,
)
def check_services_do_not_restart(hosts: Hosts, limits: Limits) -> None:
    """The services do not restart by themselves.

    A service that falls and is started again looks active at every glance, and loses its work each time.
    """
    for service in services(hosts, limits):
        _host_units.restarts(service, limits)


@row(
    "HOST-05",
    source="práctica común: cinco minutos bastan para que un servicio arranque y falle",
    es="Los servicios llevan tiempo activos",
    threshold=Threshold(warning=timedelta(minutes=5), critical=None, direction="below"),
    person=advice.SINCE,
)
def check_services_are_up_for_a_while(hosts: Hosts, limits: Limits) -> None:
    """The services have been active for a while.

    One that started just now was down before, and has not yet shown that it stays.
    """
    for service in running(hosts, limits):
        _host_units.since(service, limits)


@row(
    "HOST-07",
    source="práctica común: 85 % y 95 % de MemoryMax, donde el núcleo mata",
    es="Los servicios caben en su límite de memoria",
    threshold=Threshold(warning=85, critical=95, unit="%"),
    person=advice.LIMIT,
)
def check_services_fit_their_memory(hosts: Hosts, limits: Limits) -> None:
    """The services fit into their limit of memory.

    At the limit the kernel kills the service in the middle of its work.
    """
    for service in running(hosts, limits):
        _host_units.memory(service, limits)


@row(
    "HOST-10",
    source="práctica común: 80 % y 95 % de LimitNOFILE",
    es="Los servicios tienen descriptores de archivo libres",
    threshold=Threshold(warning=80, critical=95, unit="%"),
    person=advice.FILES,
)
def check_services_have_file_descriptors(hosts: Hosts, limits: Limits) -> None:
    """The services have file descriptors left.

    Without one a service runs on but accepts no connection and opens no file: "Too many open files".
    """
    for service in running(hosts, limits):
        _host_units.files(service, limits)


@row(
    "HOST-16",
    source="práctica común: systemctl --failed debe estar vacío",
    es="Ninguna unidad de systemd ha fallado",
    threshold=Threshold(warning=0, critical=5, unit="units"),
    person=advice.FAILED,
)
def check_no_unit_has_failed(hosts: Hosts, limits: Limits) -> None:
    """No unit of systemd has failed.

    A timer's job, a mount or a rotation of logs that fails says nothing by itself.
    """
    for facts in each(hosts, limits):
        _host_units.failed(facts, limits)


@row(
    "HOST-19",
    source="práctica común: 80 % y 95 % de TasksMax",
    es="Los servicios pueden crear hilos y procesos",
    threshold=Threshold(warning=80, critical=95, unit="%"),
    person=advice.UNIT_TASKS,
)
def check_services_can_start_threads(hosts: Hosts, limits: Limits) -> None:
    """The services can start threads and processes.

    At the limit a service fails wherever it needs one more: for a connection, for a query.
    """
    for service in running(hosts, limits):
        _host_units.tasks(service, limits)


@row(
    "HOST-20",
    source="práctica común: systemd avisa cuando el archivo de una unidad cambió y no se releyó",
    es="Los servicios corren con lo que dicen sus archivos",
    person=advice.STALE,
)
def check_services_run_by_their_files(hosts: Hosts, limits: Limits) -> None:
    """The services run by what is written in their files.

    A changed unit that was not read again waits for the next restart to surprise everybody.
    """
    for service in services(hosts, limits):
        _host_units.stale(service, limits)
