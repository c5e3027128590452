"""The health of the hosts: kills for want of memory, clocks, certificates, disks that failed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _host_advice as advice
from checks import _host_judging, _host_kills
from checks._host_seen import each
from runbook.limits import Limits, Threshold
from runbook.rows import row

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.hosts.hosts import Hosts


@row(
    "HOST-11",
    source="práctica común: ningún proceso debe morir por falta de memoria; tres en un día son un patrón",
    es="El núcleo no ha matado procesos por falta de memoria en las últimas 24 horas",
    threshold=Threshold(warning=0, critical=2, unit="kills"),
    settings={"look_back": timedelta(days=1)},
    person=advice.KILLS,
)
def check_no_kills_for_memory(hosts: Hosts, history: History, limits: Limits) -> None:
    """The kernel killed no process for want of memory in the last 24 hours.

    What it kills loses the work in hand, and it may choose the database.
    """
    for facts in each(hosts, limits):
        _host_kills.judge(facts, history, limits)


@row(
    "HOST-13",
    source="práctica común: los tiempos de TBAE* se comparan entre servidores; 1 s ya cambia el orden de los eventos",
    es="Los relojes de los servidores coinciden con el nuestro",
    threshold=Threshold(warning=timedelta(seconds=1), critical=timedelta(seconds=30)),
    person=advice.CLOCK,
)
def check_clocks_agree(hosts: Hosts, limits: Limits) -> None:
    """The clocks of the hosts agree with ours.

    With clocks apart latencies are wrong, logs cannot be put in order and signed requests are refused.
    """
    for facts in each(hosts, limits):
        _host_judging.clock(facts, limits)


@row(
    "HOST-14",
    source="práctica común: 21 y 7 días; lo que se renueva solo lo hace a los 30 (Let's Encrypt)",
    es="Los certificados no vencen pronto",
    threshold=Threshold(warning=timedelta(days=21), critical=timedelta(days=7), direction="below"),
    person=advice.CERTIFICATES,
)
def check_certificates_do_not_expire(hosts: Hosts, limits: Limits) -> None:
    """The certificates do not expire soon.

    From that second on every client refuses the service.
    """
    _host_judging.certificates(hosts, limits)


@row(
    "HOST-18",
    source="práctica común: el núcleo deja de escribir en un disco que falla (errors=remount-ro)",
    es="Los sistemas de archivos se pueden escribir",
    person=advice.READ_ONLY,
)
def check_file_systems_are_writable(hosts: Hosts, limits: Limits) -> None:
    """The file systems are writable.

    A disk that failed is made read-only: services run on, and lose whatever they write.
    """
    for facts in each(hosts, limits):
        _host_judging.writable(facts, limits)
