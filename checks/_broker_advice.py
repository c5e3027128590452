"""What a person does about a breached row of the broker: the exact commands."""

from __future__ import annotations

from runbook.text import text

NODES = text(
    "On the node: `systemctl status rabbitmq-server` and `journalctl -u rabbitmq-server -n 100`; then "
    "`rabbitmqctl start_app`. Where nodes do not see each other: mend the network first, then restart the smaller "
    "part with `rabbitmqctl stop_app && rabbitmqctl start_app`. Maintenance ends with `rabbitmq-upgrade revive`"
)
ALARMS = text(
    "`rabbitmq-diagnostics alarms` names what is short: until it is over the broker takes no message from anybody. "
    "Memory: drain the deepest queue, see `rabbitmq-diagnostics memory_breakdown`. Disk: make room at the path that "
    "`rabbitmq-diagnostics status` names; never lower the limits to get rid of the alarm"
)
MEMORY = text(
    "`rabbitmq-diagnostics memory_breakdown --unit MB` says what holds it: queue_procs is backlog (add consumers), "
    "connection_readers and channels are clients (close what leaks), mgmt_db is the statistics"
)
DISK = text(
    "`df -h` at the data folder that `rabbitmq-diagnostics status` names; drain the deepest queues, rotate logs. "
    "Delete nothing below that folder: those files are the messages"
)
RESOURCES = text(
    "`rabbitmqctl list_connections user client_properties channels` names who holds them; close what leaks. More "
    "files: `systemctl edit rabbitmq-server`, LimitNOFILE=65536, and restart the nodes one after the other"
)
QUORUM = text(
    "Stop no node now: `rabbitmq-diagnostics check_if_node_is_quorum_critical`, `rabbitmq-queues quorum_status QUEUE` "
    "say which are short. Bring the missing node back; one that is gone for good is replaced with `rabbitmq-queues "
    "delete_member --vhost VHOST QUEUE OLD` and `rabbitmq-queues add_member --vhost VHOST QUEUE NEW`"
)
VIRTUAL_HOSTS = text(
    "`rabbitmqctl list_vhosts name cluster_state`, the reason is in the log of that node; then `rabbitmqctl "
    "restart_vhost -p VHOST`. If it stops again its store is damaged: leave it and call who keeps RabbitMQ"
)
CERTIFICATES = text(
    "Put the new certificate at the path of ssl_options.certfile (and its authority at cacertfile), then "
    "`rabbitmqctl eval 'ssl:clear_pem_cache().'`: new connections are shown the new one. `openssl s_client -connect "
    "HOST:5671 </dev/null | openssl x509 -noout -enddate` proves it"
)
CHURN = text(
    "`rabbitmqctl list_connections name user connected_at` twice, a minute apart: who is new each time opens one for "
    "every message. The client must keep one connection for as long as it lives, and one channel a thread"
)
UNROUTABLE = text(
    "`rabbitmqctl list_bindings -p VHOST` and `rabbitmqctl list_exchanges -p VHOST`: an exchange to which something is "
    "published is bound to no queue, or with another routing key. Ask who was deployed last; what was dropped is gone "
    "and must be sent again by its subsystem"
)
POLICIES = text(
    "`rabbitmqctl list_policies -p VHOST` against the site file; `rabbitmqctl set_policy -p VHOST NAME PATTERN "
    "DEFINITION --apply-to queues` sets what lacks. Where the site file is wrong: correct broker.policies. Policies "
    "with ha-mode do nothing since 4.0: move such queues to quorum queues"
)
QUEUES = text(
    "`rabbitmqctl list_queues -p VHOST name state pid`: bring the node of each back (BROKER-01). One that is "
    "crashed: its reason is in the log of its node; do not delete it, its messages are nowhere else"
)
DEEP = text(
    "`rabbitmqctl list_queues -p VHOST name messages consumers | sort -k2 -n | tail` names them; find who should "
    "consume it. Of one that nobody needs any more, ask its owner before `rabbitmqctl purge_queue`"
)
UNACKNOWLEDGED = text(
    "`rabbitmqctl list_consumers -p VHOST` tells the prefetch of each: 0 means no limit, and one client takes all. "
    "Set basic_qos in the client; restarting it gives back what it holds"
)
AGE = text(
    "QUEUE-01 says why the queue does not move. Where nobody is at fault: add replicas, and tell the subsystems that "
    "their records come later"
)
CONSUMERS = text(
    "`rabbitmqctl list_consumers -p VHOST`; see QUEUE-01 for why they are gone. Slow ones: a larger prefetch "
    "(basic_qos) where each message is short, more replicas where each takes long"
)
REDELIVERIES = text(
    "The log of the worker says why it gives messages back. Where it is always the same ones: reject them with "
    "requeue=false so that they become dead letters; where the database refuses, mend that first"
)
GROWTH = text(
    "Something rejects messages right now: QUEUE-02 says what. Stop the subsystem that sends them, or go back to the "
    "version of the worker before the last one; put nothing back until no new ones come"
)
WAYS = text(
    '`rabbitmqctl set_policy -p VHOST dlx QUEUES \'{{"dead-letter-exchange": "EXCHANGE"}}\' --apply-to queues` gives '
    "queues a way for what they reject; an exchange that leads nowhere is bound with `rabbitmqadmin --vhost=VHOST "
    "declare binding source=EXCHANGE destination=QUEUE`"
)
