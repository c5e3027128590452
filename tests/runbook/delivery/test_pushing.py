"""The monitoring is told of a run: file, Pushgateway, collector; what is not reached is said and stops nothing."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from reports import telemetry
from reports.language import Language
from runbook.delivery import posting, pushing
from runbook.history import History
from runbook.model import Run
from runbook.settings import EnvironmentSettings, Login, MetricsSettings, Secret
from runbook.site import Site
from tests.reports import factory
from tests.runbook.delivery.receivers import receiving

ES = Language("es")
UTC = factory.START.tzinfo
assert UTC is not None


def site(folder: Path, metrics: MetricsSettings, name: str = "lab") -> Site:
    """An environment that tells its monitoring."""
    run = factory.incident()
    return Site(
        environment=msgspec.structs.replace(run.environment, name=name),
        settings=EnvironmentSettings(metrics=metrics),
        zone=UTC,  # type: ignore[arg-type]
        history=History(None, name),
        state_folder=folder,
        reports_folder=folder,
    )


def told(folder: Path, metrics: MetricsSettings, run: Run | None = None, *, whole: bool = True) -> list[str]:
    """What went wrong."""
    return [str(said) for said in pushing.tell(site(folder, metrics), run or factory.incident(), ES, whole=whole)]


def secret(folder: Path, value: str) -> Secret:
    """A secret in a file."""
    file = folder / f"secret-{len(list(folder.iterdir()))}"
    file.write_text(value)
    return Secret(file=file)


def test_the_textfile_is_whole_readable_and_alone(tmp_path: Path) -> None:
    file = tmp_path / "muses-lab.prom"
    assert told(tmp_path, MetricsSettings(textfile=file)) == []
    assert "muses_runbook_last_run_timestamp_seconds" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_textfile_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "absent"
    said = told(tmp_path, MetricsSettings(textfile=folder / "x.prom"))
    assert said == [
        f"The metrics cannot be written into {folder}/x.prom: No such file or directory "
        "(see environments.lab.metrics.textfile)"
    ]
    (tmp_path / "x.prom").mkdir()
    assert told(tmp_path, MetricsSettings(textfile=tmp_path / "x.prom"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.prom"]


@pytest.mark.parametrize("name", ["lab", "norte/prod", "año 1"])
def test_a_push_replaces_the_environment_s_group(tmp_path: Path, name: str) -> None:
    with receiving() as gateway:
        metrics = MetricsSettings(push_url=f"{gateway.url}/")
        run = factory.incident()
        run = msgspec.structs.replace(run, environment=msgspec.structs.replace(run.environment, name=name))
        for _ in range(2):
            assert pushing.tell(site(tmp_path, metrics, name), run, ES, whole=True) == ()
    assert list(gateway.groups) == [(("job", "muses-runbook"), ("environment", name))]
    assert "muses_runbook_row_state" in next(iter(gateway.groups.values()))


def test_a_run_of_some_rows_or_a_stopped_one_changes_no_metric_but_leaves_its_trace(tmp_path: Path) -> None:
    file = tmp_path / "x.prom"
    stopped = msgspec.structs.replace(factory.incident(), interrupted=True)
    with receiving() as receiver:
        metrics = MetricsSettings(textfile=file, push_url=receiver.url, otlp_endpoint=receiver.url)
        assert told(tmp_path, metrics, whole=False) == []
        assert told(tmp_path, metrics, stopped) == []
    assert not file.exists()
    assert not receiver.groups
    assert len(receiver.traces) == 2


def test_a_collector_takes_the_trace_and_the_timeline(tmp_path: Path) -> None:
    with receiving() as collector:
        assert told(tmp_path, MetricsSettings(otlp_endpoint=collector.url)) == []
    sent = list(telemetry.requests(factory.incident(), ES))
    assert [one.SerializeToString(deterministic=True) for one in (*collector.traces, *collector.logs)] == [
        one.content for one in sent
    ]
    spans = collector.traces[0].resource_spans[0].scope_spans[0].spans
    assert spans[0].name == "muses-runbook"
    assert {head["Content-Encoding"] for head in collector.heads} == {"gzip"}


def test_a_busy_collector_is_asked_again(tmp_path: Path) -> None:
    with receiving() as collector:
        collector.answers += [(503, b""), (429, b"")]
        assert told(tmp_path, MetricsSettings(otlp_endpoint=collector.url)) == []
    assert len(collector.heads) == 4
    assert (len(collector.traces), len(collector.logs)) == (1, 1)


def test_what_a_collector_left_out_is_said_and_masked(tmp_path: Path) -> None:
    with receiving() as collector:
        collector.rejects = 3
        said = told(tmp_path, MetricsSettings(otlp_endpoint=collector.url))
    assert said == [
        f"{collector.url} did not take 3 spans or log records: quota of ‹correo› "
        "(see environments.lab.metrics.otlp_endpoint)"
    ]


def test_every_place_is_tried_whatever_happens_at_another(tmp_path: Path) -> None:
    with receiving() as receiver:
        pass  # its port is free again: nobody is there
    with receiving() as collector:
        metrics = MetricsSettings(
            textfile=tmp_path / "none" / "x.prom", push_url=receiver.url, otlp_endpoint=collector.url
        )
        said = told(tmp_path, metrics)
    assert len(said) == 2
    assert "environments.lab.metrics.textfile" in said[0]
    assert "environments.lab.metrics.push_url" in said[1]
    assert collector.traces


def test_who_we_are_is_said_and_an_unknown_one_is_told_which_setting(tmp_path: Path) -> None:
    token = secret(tmp_path, "c4n4ry-monitoring-token")
    with receiving("Bearer c4n4ry-monitoring-token") as receiver:
        good = MetricsSettings(push_url=receiver.url, push_token=token, otlp_endpoint=receiver.url, otlp_token=token)
        assert told(tmp_path, good) == []
        wrong = secret(tmp_path, "c4n4ry-other-token")
        said = told(tmp_path, MetricsSettings(push_url=receiver.url, push_token=wrong, otlp_endpoint=receiver.url))
    assert "401: who is there?" in said[0]
    assert said[0].endswith("(see environments.lab.metrics.push_token)")
    assert said[1].endswith("(see environments.lab.metrics.otlp_token)")
    assert "c4n4ry" not in " ".join(said)


def test_a_login_and_headers_are_sent_as_they_are_asked_for(tmp_path: Path) -> None:
    password = secret(tmp_path, "c4n4ry-push-password")
    with receiving("Basic bXVzZXM6YzRuNHJ5LXB1c2gtcGFzc3dvcmQ=") as gateway:
        metrics = MetricsSettings(push_url=gateway.url, push_login=Login(user="muses", password=password))
        assert told(tmp_path, metrics) == []
    with receiving() as collector:
        headers = {"X-Api-Key": secret(tmp_path, "c4n4ry-api-key")}
        assert told(tmp_path, MetricsSettings(otlp_endpoint=collector.url, otlp_headers=headers)) == []
    assert {head["X-Api-Key"] for head in collector.heads} == {"c4n4ry-api-key"}


def test_a_redirect_is_no_place_for_a_token(tmp_path: Path) -> None:
    with receiving() as gateway:
        gateway.answers.append((302, b""))
        said = told(tmp_path, MetricsSettings(push_url=gateway.url, push_token=secret(tmp_path, "c4n4ry-redirect")))
    assert " 302: " in said[0]
    assert len(gateway.heads) == 1


@contextmanager
def dripping(every: float) -> Iterator[int]:
    """The port of a server that says yes and then goes on, byte after byte; with ``every`` zero it says nothing."""
    over = threading.Event()

    def serve() -> None:
        connection, _address = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" if every else b"")
            while not over.wait(every or None):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield listener.getsockname()[1]
        over.set()
        serving.join(5)


@pytest.mark.parametrize("every", [0, 0.01], ids=["silent", "dripping"])
def test_a_server_that_never_ends_costs_its_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    monkeypatch.setattr(posting, "PATIENCE", 0.1)
    with dripping(every) as port:
        said = told(tmp_path, MetricsSettings(push_url=f"http://127.0.0.1:{port}"))
    assert len(said) == 1
    assert said[0].endswith("(see environments.lab.metrics.push_url)")


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = Secret(file=tmp_path / "absent")
    said = told(tmp_path, MetricsSettings(push_url="http://127.0.0.1:9", push_token=absent))
    assert said == [f"the secret in file {tmp_path}/absent cannot be read (FileNotFoundError)"]


def test_nothing_is_told_where_nothing_is_set(tmp_path: Path) -> None:
    assert not MetricsSettings().are_wanted
    assert told(tmp_path, MetricsSettings()) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"textfile": Path("/var/lib/x.txt")}, r"ends in \.prom"),
        ({"textfile": Path("x.prom")}, "a whole path"),
        ({"push_url": "gateway:9091"}, "push_url is http"),
        ({"push_url": "http://muses:secret@gateway"}, "who sends is said by a token"),
        ({"otlp_endpoint": "http://collector:4318?x=1"}, "otlp_endpoint is http"),
        ({"push_token": Secret(env="A"), "push_login": Login(user="x")}, "push_token or push_login, not both"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MetricsSettings(**given)  # type: ignore[arg-type]
