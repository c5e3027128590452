"""When the certificates end that the site's own endpoints show. Whether they are trusted, who connects finds out."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable

from runbook.targets.hosts.certificates import PATIENCE, end_of, shown_by
from runbook.targets.hosts.structs import Certificate
from runbook.targets.network import unreachable
from runbook.text import text

#: "I want TLS", as PostgreSQL is told before anything else.
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


def shown(target: str, endpoints: Iterable[tuple[str, bool]]) -> tuple[Certificate, ...]:
    """The certificate of each ``host:port``, asked all at once; True: it speaks PostgreSQL. Reads only."""
    wanted = tuple(dict.fromkeys(endpoints))
    found: dict[str, Certificate] = {}

    def ask(where: str, postgres: bool) -> None:
        found[where] = shown_by_postgres(target, where) if postgres else shown_by(target, where)

    asking = [threading.Thread(target=ask, args=each, daemon=True) for each in wanted]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return tuple(found[where] for where, _ in wanted)


def shown_by_postgres(target: str, endpoint: str) -> Certificate:
    """The end of the certificate that a PostgreSQL server shows. Reads only."""
    host, _, port = endpoint.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # an expired one must be seen too
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as plain:
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                return Certificate(where=endpoint, problem=text("{where} offers no TLS", where=endpoint))
            with context.wrap_socket(plain) as encrypted:
                der = encrypted.getpeercert(binary_form=True)
        return Certificate(where=endpoint, ends=end_of(der or b""))
    except OSError as error:
        return Certificate(where=endpoint, problem=unreachable(target, endpoint, error).said)
    except ValueError:
        return Certificate(where=endpoint, problem=text("{where} shows no X.509 certificate", where=endpoint))
