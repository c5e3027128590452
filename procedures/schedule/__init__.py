"""The schedule: systemd units, cron lines and Kubernetes CronJobs from the site file; never a scheduler of our own.

``jobs`` says what is planned, ``rendering`` makes the files, ``installing`` puts them in place, ``nights`` and
``telling`` foresee the clock changes, ``standing`` judges what systemd tells.
"""
