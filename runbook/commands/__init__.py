"""The commands of ``muses-runbook``, one module each, imported when called."""
