"""What a person does about a breached row of the hosts: the exact commands."""

from __future__ import annotations

from runbook.text import text

DISKS = text(
    "Find what grows: `du -xh --max-depth=2 MOUNT | sort -h | tail`, and `df -i MOUNT` for the inodes. Rotated logs "
    "and old dumps may go; nothing below the data folder of PostgreSQL or RabbitMQ ever may"
)
ACTIVE = text(
    "`systemctl status UNIT` and `journalctl -u UNIT -n 100` say why it stopped; mend that first, then "
    "`systemctl start UNIT`. Where it is not found: `systemctl list-unit-files 'PART*'`, and correct hosts.services"
)
ENABLED = text("`systemctl enable UNIT`; where it is masked: find out who did it and why, then `systemctl unmask UNIT`")
RESTARTS = text(
    "`journalctl -u UNIT --since -1h` holds the last words before each end; `systemctl show UNIT -p Result "
    "-p ExecMainStatus` says how it ended. To see restarts the login needs `usermod -aG systemd-journal USER`"
)
SINCE = text("Nothing, where somebody deployed just now; else see who began it: `journalctl -u UNIT -n 50`")
MEMORY = text(
    "`ps -eo pid,user,rss,etimes,args --sort=-rss | head -15` names who holds it; restart what leaks, one replica "
    "after the other, and give the host more memory where all of it is honest"
)
LIMIT = text(
    "`systemd-cgtop -m -n 1` and `systemctl show UNIT -p MemoryCurrent -p MemoryMax`. Where it is honest use: "
    "`systemctl set-property UNIT MemoryMax=SIZE`; where it leaks: `systemctl restart UNIT`, and tell the developers"
)
SWAP = text(
    "`for p in /proc/[0-9]*; do grep -H VmSwap $p/status; done | sort -k2 -n | tail` names who is swapped out; "
    "`vmstat 1 5` says whether it still swaps (columns si and so)"
)
HANDLES = text("`lsof -n | awk '{{print $1, $2}}' | sort | uniq -c | sort -n | tail` names who holds them")
FILES = text(
    "`ls -l /proc/PID/fd | awk '{{print $NF}}' | sort | uniq -c | sort -n | tail` tells what is open: sockets that are "
    "not closed are a leak. More room: LimitNOFILE= by `systemctl edit UNIT`, then `systemctl restart UNIT`"
)
KILLS = text(
    "`journalctl -k --since -24h | grep -A5 'Killed process'` tells who was killed and how large it was; lower what "
    "runs beside it, or give it MemoryMax= so that it is killed alone. To see it the login needs "
    "`usermod -aG systemd-journal USER`"
)
CLOCK = text(
    "`timedatectl` or `chronyc tracking` says whether the clock is kept; `systemctl restart chrony` (or "
    "systemd-timesyncd). Compare this machine's own clock too: it may be the one that is wrong"
)
CERTIFICATES = text(
    "`openssl x509 -noout -subject -issuer -enddate -in FILE`; have it renewed by whoever issued it, put it in place "
    "and `systemctl reload` the service that shows it: a renewed file is not yet a renewed service"
)
LOAD = text(
    "`top -b -n 1 | head -20` names who works; many in state D (`ps -eo state,pid,args | grep ^D`) wait for a disk "
    "and not for a processor"
)
FAILED = text(
    "`systemctl --failed`, then `systemctl status UNIT` for each; once mended or of no use any more: "
    "`systemctl reset-failed UNIT`"
)
TASKS = text("`ps -eLo user,args --no-headers | sort | uniq -c | sort -n | tail` names who has so many threads")
UNIT_TASKS = text(
    "`systemctl status UNIT` shows its tasks, `ps -o nlwp,pid,args -p PID` the threads of one process: a number that "
    "only grows is a leak, and a restart ends it. More room: `systemctl set-property UNIT TasksMax=N`"
)
READ_ONLY = text(
    "`dmesg -T | grep -iE 'error|remount'` tells what broke. Save what can be saved, then check the file system from "
    "another boot (`fsck`): to mount it writable again without that may destroy it"
)
STALE = text("`systemctl daemon-reload`, and restart the unit at a quiet hour so that it runs by what is written")
