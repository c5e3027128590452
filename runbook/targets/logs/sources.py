"""One source of a service's log, whichever kind it is: its newest lines as tails, bounded in time and bytes."""

from __future__ import annotations

from runbook.errors import ProbeError
from runbook.settings.log_sources import Docker, Elastic, Files, HostFiles, Journal, Loki, Pods, Source
from runbook.targets.logs.asking import Asked, at_once
from runbook.targets.logs.files import Tail, matching, tail


def read(source: Source, asked: Asked) -> list[Tail]:
    """The tails of one source, one for each file, replica or container. Raises ProbeError."""
    match source:
        case Files(patterns):
            paths = matching(asked.target, patterns, asked.setting)
            return [tail(asked.target, path, asked.setting, since=asked.since, max_bytes=asked.most) for path in paths]
        case HostFiles():
            from runbook.targets.logs.host_files import read_host_files

            return read_host_files(source, asked)
        case Journal():
            from runbook.targets.logs.journal import read_journal

            return read_journal(source, asked)
        case Docker():
            from runbook.targets.logs.docker import read_containers

            return read_containers(source, asked)
        case Pods():
            from runbook.targets.logs.kubernetes import read_pods

            return read_pods(source, asked)
        case Loki():
            from runbook.targets.logs.loki import read_streams

            return read_streams(source, asked)
        case Elastic():
            from runbook.targets.logs.elastic import read_documents

            return read_documents(source, asked)


def read_all(sources: list[Source], asked: Asked) -> tuple[list[Tail], list[ProbeError]]:
    """The tails of all sources, read at the same time, and what kept others from being read."""
    told, failed = at_once(lambda source: read(source, asked), sources)
    return [log for tails in told for log in tails], [*failed, *asked.failed]
