"""``python -m runbook`` is ``muses-runbook``."""

from runbook.cli import main

main()
