"""Failures of connections, as sockets and the drivers truly raise them."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pika
import psycopg
import pytest
import urllib3

from runbook.errors import ProbeFailure
from runbook.targets.network import failure_of, tls_context, unreachable
from tests.runbook.targets.servers_network import refused_port, silent_port, tls_in_front_of

UNKNOWN = "does-not-exist.invalid"


def raised(ask: Any) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever the driver makes of it
        ask()
    return caught.value


def by_socket(host: str, port: int, tls: bool) -> None:
    with socket.create_connection((host, port), timeout=0.5) as plain:
        (ssl.create_default_context().wrap_socket(plain, server_hostname=host) if tls else plain).recv(1)


def by_http_client(host: str, port: int, tls: bool) -> None:
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    connection = kind(host, port, timeout=0.5)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    finally:
        connection.close()


def by_urllib(host: str, port: int, tls: bool) -> None:
    urllib.request.urlopen(f"http{'s' if tls else ''}://{host}:{port}/", timeout=0.5).close()


def by_urllib3(host: str, port: int, tls: bool) -> None:
    with urllib3.PoolManager(retries=False, timeout=0.5) as pool:
        pool.request("GET", f"http{'s' if tls else ''}://{host}:{port}/")


def by_pika(host: str, port: int, tls: bool) -> None:
    options = pika.SSLOptions(ssl.create_default_context(), host) if tls else None
    parameters = pika.ConnectionParameters(host, port, socket_timeout=0.5, stack_timeout=5, ssl_options=options)
    pika.BlockingConnection(parameters).close()


WAYS = (by_socket, by_http_client, by_urllib, by_urllib3, by_pika)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_listens(way: Any) -> None:
    assert failure_of(raised(lambda: way("127.0.0.1", refused_port(), tls=False))) is ProbeFailure.REFUSED


@pytest.mark.parametrize("way", WAYS)
def test_nobody_has_that_name(way: Any) -> None:
    assert failure_of(raised(lambda: way(UNKNOWN, 80, tls=False))) is ProbeFailure.DNS


@pytest.mark.parametrize("way", WAYS)
def test_the_certificate_is_not_trusted(way: Any, tmp_path: Path) -> None:
    with tls_in_front_of(refused_port(), tmp_path) as (port, _):
        assert failure_of(raised(lambda: way("localhost", port, tls=True))) is ProbeFailure.TLS


@pytest.mark.parametrize("way", [way for way in WAYS if way is not by_pika])
@pytest.mark.parametrize("tls", [False, True])
def test_nobody_answers(way: Any, tls: bool) -> None:
    with silent_port() as port:
        assert failure_of(raised(lambda: way("127.0.0.1", port, tls=tls))) is ProbeFailure.SILENT


def test_a_unix_socket_that_is_not_there_or_not_for_us(tmp_path: Path) -> None:
    def connect(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.connect(str(path))

    assert failure_of(raised(lambda: connect(tmp_path / "absent"))) is ProbeFailure.REFUSED
    assert failure_of(PermissionError(13, "Permission denied")) is ProbeFailure.DENIED


def test_the_other_side_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = http.client.HTTPConnection(*server.getsockname(), timeout=1)
        connection.connect()
        server.accept()[0].close()
        error = raised(lambda: (connection.request("GET", "/"), connection.getresponse()))
        connection.close()
    assert failure_of(error) is ProbeFailure.REFUSED


def test_what_is_none_of_the_networks_is_broken() -> None:
    for error in (ValueError("x"), KeyError(), psycopg.DataError(), http.client.BadStatusLine("x")):
        assert failure_of(error) is ProbeFailure.BROKEN


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert failure_of(first) is ProbeFailure.BROKEN


def test_the_message_says_where_and_why_in_the_systems_words() -> None:
    error = unreachable("broker", "http://broker:15672", ConnectionRefusedError(111, "Connection refused"))
    assert str(error) == "no connection to http://broker:15672 (Connection refused)"
    assert (error.target, error.kind) == ("broker", ProbeFailure.REFUSED)
    assert str(unreachable("t", "there", TimeoutError())) == "there gave no answer in time"
    assert "WRONG_VERSION" in str(unreachable("t", "there", wrong_version()))
    assert str(unreachable("t", "there", ValueError("secreto"))) == "there did not answer as expected (ValueError)"


def wrong_version() -> BaseException:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as client:
                client.recv(1024)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        error = raised(lambda: by_socket(*server.getsockname(), tls=True))
        answering.join()
    return error


def test_an_authority_that_cannot_be_read_is_a_matter_of_tls(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for path in (tmp_path / "none.pem", tmp_path / "empty.pem"):
        assert failure_of(raised(lambda path=path: tls_context(path))) is ProbeFailure.TLS
    assert tls_context(None).verify_mode is ssl.CERT_REQUIRED
