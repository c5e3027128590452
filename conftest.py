"""Where rows, targets and pytest meet: ``pytest checks/`` judges the live systems of the site file."""

pytest_plugins = ["runbook.plugin", "runbook.targets.fixtures"]
