"""Tell the site's monitoring of a run: a file for the node exporter, a Pushgateway, an OpenTelemetry collector.

Metrics say what the last run found of every row; so only a whole run changes them: one over a few rows would make the
alerts of all the others end. A trace is one run's own, and each has its own.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runbook import placing
from runbook.delivery.posting import Server
from runbook.errors import DeliveryError, RunbookError
from runbook.model import Run
from runbook.redact import masked_text
from runbook.settings import MetricsSettings
from runbook.site import Site
from runbook.text import Text, text

JOB = "muses-runbook"


def tell(site: Site, run: Run, language: Any, *, whole: bool) -> tuple[Text, ...]:
    """Tell of a run wherever the environment says; for each place that was not reached, why.

    ``whole`` is a run over all rows. One that was stopped before its end is none: its silence is what is told.
    """
    settings, failed = site.settings.metrics, []
    for act in _acts(settings, run, language, site.environment.name, whole=whole and not run.interrupted):
        try:
            act()
        except RunbookError as error:
            failed.append(error.said)
    return tuple(failed)


def _acts(
    settings: MetricsSettings, run: Run, language: Any, environment: str, *, whole: bool
) -> Iterator[Callable[[], None]]:
    key = f"environments.{environment}.metrics"
    if whole and settings.textfile is not None:
        yield lambda: write_textfile(settings.textfile, run, language, f"{key}.textfile")  # type: ignore[arg-type]
    if whole and settings.push_url is not None:
        yield lambda: push(_gateway(settings, key), run, language)
    if settings.otlp_endpoint is not None:
        yield lambda: export(_collector(settings, key), run, language)


def write_textfile(file: Path, run: Run, language: Any, setting: str) -> None:
    """Put the metrics in place, whole or not at all, readable to the node exporter. Raises DeliveryError."""
    content = import_module("reports").render(run, "prometheus", language)
    try:
        placing.put(file, content, mode=0o644)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DeliveryError(
            text(
                "The metrics cannot be written into {file}: {why} (see {setting})", file=file, why=why, setting=setting
            )
        ) from error


def push(gateway: Server, run: Run, language: Any) -> None:
    """Replace what a Pushgateway holds of the environment. Raises DeliveryError."""
    exposition = import_module("reports.exposition")
    headers = {"Content-Type": exposition.CONTENT_TYPE}
    path = f"/metrics/job/{JOB}/{_grouping('environment', run.environment.name)}"
    gateway.send("PUT", path, exposition.render(run, language), headers)


def export(collector: Server, run: Run, language: Any) -> None:
    """Send a run's trace and its timeline. Raises DeliveryError, also where the collector took only a part."""
    telemetry = import_module("reports.telemetry")
    headers = {"Content-Type": telemetry.CONTENT_TYPE, "Content-Encoding": "gzip"}
    for request in telemetry.requests(run, language):
        answer = collector.send("POST", request.path, gzip.compress(request.content), headers)
        left = telemetry.rejected(request.path, answer)
        if left.items:
            said = text(
                "{where} did not take {count} spans or log records: {why} (see {setting})",
                where=collector.url,
                count=left.items,
                why=masked_text(left.why) or "–",
                setting=collector.setting,
            )
            raise DeliveryError(said)


def _gateway(settings: MetricsSettings, key: str) -> Server:
    identity = f"{key}.push_login" if settings.push_login else f"{key}.push_token"
    return Server(
        url=settings.push_url or "",
        setting=f"{key}.push_url",
        identity=identity,
        token=settings.push_token,
        login=settings.push_login,
        cafile=settings.cafile,
    )


def _collector(settings: MetricsSettings, key: str) -> Server:
    identity = f"{key}.otlp_headers" if settings.otlp_headers else f"{key}.otlp_token"
    return Server(
        url=settings.otlp_endpoint or "",
        setting=f"{key}.otlp_endpoint",
        identity=identity,
        token=settings.otlp_token,
        headers=settings.otlp_headers,
        cafile=settings.cafile,
    )


def _grouping(label: str, value: str) -> str:
    """A label of the group as a part of the address; what has a slash in it is base64 there."""
    if "/" not in value and value:
        return f"{label}/{quote(value, safe='')}"
    return f"{label}@base64/{base64.urlsafe_b64encode(value.encode()).decode() or '='}"
