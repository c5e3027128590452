"""What docs/benchmarks.md states, one table: ``python -m benchmarks``.

The purge is not in it, for it takes half an hour: ``python -m benchmarks.purge``.
"""

from __future__ import annotations

from benchmarks import cold_start, healthy_check, report_size, silent_targets, time_to_fix
from benchmarks.measure import row

row("what", "measured", "must be")
row("---", "---", "---")
for benchmark in (cold_start, healthy_check, silent_targets, time_to_fix, report_size):
    benchmark.main()
