"""The largest run there is to expect: 500 rows, 5,000 findings."""

from __future__ import annotations

import time

from benchmarks.report_size import large_run
from reports import html
from reports.language import Language
from tests.reports import markup


def test_a_large_run_is_rendered_fast_and_small() -> None:
    run = large_run(rows=500, findings=10)
    began = time.process_time()
    page = html.render(run, Language("es"))
    assert time.process_time() - began < 2
    assert len(page) < html.LARGEST
    assert len([i for i in markup.read(page).ids() if i.startswith("row-")]) == 500
