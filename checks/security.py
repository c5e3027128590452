"""Security as it is set up: wires, certificates, makers' accounts, buckets, credentials, who may act."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _admission, _exposure
from checks import _security_advice as advice
from checks._accepted import Holding
from runbook.errors import NotConfigured, ProbeError
from runbook.limits import Limits, Threshold
from runbook.rows import declared, row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database
    from runbook.targets.s3.storage import Storage
    from runbook.targets.security.security import Security


@row(
    "SEC-01",
    source="CIS Controls 3.10: cifrar los datos sensibles en tránsito",
    es="Todo lo que se alcanza por la red se alcanza por TLS",
    person=advice.WIRES,
)
def check_wires_are_encrypted(security: Security, limits: Limits) -> None:
    """All that is reached over the network is reached by TLS.

    Records of students and passwords go over these wires; whoever is in between reads both.
    """
    found = security.endpoints()
    _exposure.judge_wires(found, Holding(limits, security.lists.accepted))
    if not found:
        limits.skip(text("The site file names no address"))


@row(
    "SEC-03",
    source="práctica común: 21 y 7 días, como HOST-14; aquí, los servidores que el archivo del sitio nombra",
    es="Los certificados de los servidores del sitio no vencen pronto",
    threshold=Threshold(warning=timedelta(days=21), critical=timedelta(days=7), direction="below"),
    person=advice.CERTIFICATES,
)
def check_endpoints_certificates(security: Security, limits: Limits) -> None:
    """The certificates of the site's servers do not expire soon.

    On that day every client stops at once, this runbook too.
    """
    found = security.certificates()
    _exposure.judge_certificates(found, limits)
    if not found:
        limits.skip(text("The site file names no server that is reached by TLS"))


@row(
    "SEC-06",
    source="CIS Controls 4.7: cuentas por omisión; RabbitMQ, Production Checklist; MinIO, Root Access Settings",
    es="Ninguna cuenta de fábrica deja entrar",
    person=advice.ACCOUNTS,
)
def check_default_accounts_are_shut(security: Security, limits: Limits) -> None:
    """No account lets in that its maker ships.

    They are tried first by whoever comes, and they may do everything.
    """
    found = security.default_accounts()
    _exposure.judge_accounts(found, limits, Holding(limits, security.lists.accepted))
    if not found:
        limits.skip(text("The site file names nothing that ships with an account"))


@row(
    "SEC-09",
    source="CIS AWS Foundations 2.1: acceso público, cifrado y versiones de S3",
    es="Los buckets son privados, con versiones, y lo guardado está cifrado",
    person=advice.BUCKETS,
)
def check_buckets_are_shut(storage: Storage, security: Security, limits: Limits) -> None:
    """The buckets are private, with versions, and what lies in them is encrypted.

    The archive holds years of every student's data. What is asked for is not what counts: what the server returns is.
    """
    found, archive = storage.exposures(), security.archive_encryption
    _exposure.judge_buckets(found, archive, limits, Holding(limits, security.lists.accepted))


@row(
    "SEC-10",
    source="Modelo: los secretos están en Vault o en variables de entorno, nunca en archivos del repositorio",
    es="Ninguna credencial está a la vista, y solo su dueño cambia lo que el sitio dice",
    person=advice.CREDENTIALS,
)
def check_credentials_are_hidden(security: Security, limits: Limits) -> None:
    """No credential is in the open, and only its owner changes what the site file says.

    Whoever changes the site file decides what the runbook's operator does, and at which server.
    """
    holding = Holding(limits, security.lists.accepted)
    _exposure.judge_files(security.kept(), limits, holding)
    _exposure.judge_clear(security.in_clear(), holding)


@row(
    "SEC-11",
    source="CIS Controls 6.8: cada quien lo de su función; lo que muses-runbook grants imprime",
    es="Nadie puede actuar más de lo acordado",
    person=advice.POWERS,
)
def check_who_may_act(database: Database, security: Security, limits: Limits) -> None:
    """Nobody may act more than was agreed.

    A check that could change something is no check, and a remedy of high risk wants a person who has seen the plan.
    """
    powers, holding = security.powers(), Holding(limits, security.lists.accepted)
    risks = {one.id: one.treatment.risk.value for one in declared() if one.treatment is not None}
    _exposure.judge_powers(powers, risks, holding)
    try:
        guard = database.guard()
    except NotConfigured:
        return
    except ProbeError as error:  # what the policy lets act is known all the same
        limits.cannot_see(error.said)
        return
    _admission.judge_identities(guard, powers, security.lists, limits, holding)
