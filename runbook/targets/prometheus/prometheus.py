"""Prometheus over its HTTP API: values now, and the past that a first run lacks. Reads only."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import ClassVar

import msgspec

from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import probe
from runbook.settings import PrometheusSettings
from runbook.targets.base import Target
from runbook.targets.prometheus.answers import Answer, Sample, Series
from runbook.targets.rights import Right
from runbook.targets.web import Identity, Web
from runbook.text import text

#: What an answer may take: ten times 50 series of 240 points.
MOST = 8 * 1024**2
#: Prometheus ends a query that takes longer, before we stop waiting.
_TIMEOUT = "3s"
#: What the site may name an expression for, beside the length of queues.
_NAMED = ("etl_latency", "staging_bytes")


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Events a second that a service is done with, in the last minutes and at the same time yesterday.

    None where Prometheus has no samples of then.
    """

    now: float | None
    yesterday: float | None


class Prometheus(Target):
    """The Prometheus of one environment."""

    kind: ClassVar[str] = "prometheus"

    def __init__(self, name: str, settings: PrometheusSettings | None, *, environment: str) -> None:
        super().__init__(name)
        self._given, self._setting = settings, f"environments.{environment}.prometheus"

    @probe(needs="the right to query")
    def query(self, expression: str) -> tuple[Series, ...]:
        """The values of an expression now, each series with one sample at most. Raises ProbeError."""
        return self._series("query", expression, {"timeout": _TIMEOUT})

    @probe(needs="the right to query")
    def query_range(self, expression: str, since: timedelta) -> tuple[Series, ...]:
        """The values of an expression from then until now, in steps that are no shorter than a scrape.

        Raises ProbeError: BLIND where Prometheus warns that its answer is not whole, BROKEN for too many series.
        """
        step = max(self._settings.scrape, since / self._settings.points).total_seconds()
        end = time.time()
        span = {"start": f"{end - since.total_seconds():.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return self._series("query_range", expression, {**span, "timeout": _TIMEOUT})

    def past(self, quantity: str, object: str, since: timedelta) -> tuple[Sample, ...]:
        """The past of one quantity, oldest first; ``object`` is the queue, where it is one's.

        Raises NotConfigured where the settings name no expression for it, ProbeError(ABSENT) where nothing was kept.
        """
        expression = self._expression(quantity, object)
        found = [series for series in self.query_range(expression, since) if series.samples]
        if len(found) > 1:
            said = text(
                "{expression} gives {count} series: aggregate it to one", expression=expression, count=len(found)
            )
            raise ProbeError(self.name, ProbeFailure.BROKEN, said)
        if not found:
            said = text(
                "Prometheus has no sample of {expression} in the last {span}", expression=expression, span=since
            )
            raise ProbeError(self.name, ProbeFailure.ABSENT, said)
        return found[0].samples

    def throughput(self, service: str) -> Throughput:
        """How much a service does, beside yesterday: all its replicas together. Raises ProbeError."""
        labels = f"{{{self._settings.service_label}={_quoted(service)}}}"
        now = f"sum(rate({self._settings.events_processed}{labels}[5m]))"
        then = f"sum(rate({self._settings.events_processed}{labels}[5m] offset 1d))"
        return Throughput(now=_only(self.query(now)), yesterday=_only(self.query(then)))

    @probe(needs="the right to query")
    def rights(self) -> tuple[Right, ...]:
        """Whether it answers, and whether it has what the settings name. Reads only."""
        held = [Right(what=text("answers queries"), held=bool(self.query("vector(1)")))]
        for setting in ("queue_messages", "events_processed", *_NAMED):
            if expression := getattr(self._settings, setting):
                what = text("has samples of {expression}", expression=expression)
                mend = f"{self._setting}.{setting} = …"
                held.append(Right(what=what, held=bool(self.query(f"count({expression})")), mend=mend))
        return tuple(held)

    def _expression(self, quantity: str, object: str) -> str:
        """Every replica that exports a queue's length exports the same one: the greatest, never the sum."""
        if quantity == "queue_messages":
            return f"max({self._settings.queue_messages}{{{self._settings.queue_label}={_quoted(object)}}})"
        found = getattr(self._settings, quantity) if quantity in _NAMED else ""
        if not found:
            raise NotConfigured(self.name, f"{self._setting}.{quantity}")
        return str(found)

    def _series(self, path: str, expression: str, query: dict[str, str]) -> tuple[Series, ...]:
        # Thanos answers in part unless told otherwise; Prometheus does not know the word.
        asked = {"query": expression, **query, "partial_response": "false"}
        web = self._web
        answer = web.json(f"/api/v1/{path}", Answer, asked, most=MOST)
        if answer.warnings:
            said = text("{where} answered in part only: {reason}", where=web.address, reason=answer.warnings[0][:200])
            raise ProbeError(self.name, ProbeFailure.BLIND, said)
        try:
            found = answer.series()
        except msgspec.ValidationError as error:
            said = text("{where} answered something else than its JSON at {path}", where=web.address, path=path)
            raise ProbeError(self.name, ProbeFailure.BROKEN, said) from error
        if len(found) > self._settings.max_series:
            said = text("{expression} gives {count} series: too many", expression=expression, count=len(found))
            raise ProbeError(self.name, ProbeFailure.BROKEN, said)
        return found

    @property
    def _web(self) -> Web:
        given = self._settings
        return Web(self.name, given.url, Identity(given.token, given.login, given.cafile))

    @property
    def _settings(self) -> PrometheusSettings:
        if self._given is None:
            raise NotConfigured(self.name, self._setting)
        return self._given


def _only(found: tuple[Series, ...]) -> float | None:
    """The value of an aggregation to one series."""
    return found[0].samples[-1][1] if found and found[0].samples else None


def _quoted(value: str) -> str:
    """A label's value in PromQL."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
