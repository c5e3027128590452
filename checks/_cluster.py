"""What is judged of the broker's nodes, its health checks, its certificates and what comes and goes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from runbook import clock
from runbook.limits import Limits, Threshold
from runbook.model import State
from runbook.text import Quantity, per_minute, percent, size, text

if TYPE_CHECKING:
    from runbook.targets.rabbitmq.cluster import Certificate, Cluster, HealthCheck, Node, Share, VirtualHost
    from runbook.targets.rabbitmq.inventory import Inventory


def nodes(cluster: Cluster, limits: Limits) -> None:
    """Judge whether every node runs, sees the others, and is at work; and whether there are as many as there were."""
    for node in cluster.nodes:
        _node(node, limits)
    running = sum(node.running for node in cluster.nodes)
    few = text("{running} of the {wanted} nodes run", running=running, wanted=limits.number("nodes"))
    if running < limits.number("nodes"):
        limits.hold(State.CRITICAL, of=cluster.name or cluster.asked, value=running, summary=few)


def _node(node: Node, limits: Limits) -> None:
    if not node.running:
        limits.hold(State.CRITICAL, of=node.name, summary=text("{node} does not run", node=node.name))
    elif node.partitions:
        parted = text("{node} does not see {others}", node=node.name, others=", ".join(node.partitions))
        limits.hold(State.CRITICAL, of=node.name, summary=parted)
    elif node.draining:
        limits.hold(State.WARNING, of=node.name, summary=text("{node} is in maintenance", node=node.name))
    else:
        limits.hold(State.OK, of=node.name, summary=text("{node} runs", node=node.name))


def alarms(cluster: Cluster, limits: Limits) -> None:
    """Judge the alarms, by the nodes' own flags and by the broker's two health checks."""
    for node in _running(cluster):
        short = [name for name, on in (("memory", node.memory_alarm), ("disk", node.disk_alarm)) if on]
        blocked = text("{node} takes no messages: {alarms} alarm", node=node.name, alarms=", ".join(short))
        calm = text("{node} has no alarm", node=node.name)
        limits.hold(State.CRITICAL if short else State.OK, of=node.name, summary=blocked if short else calm)
    checked(cluster.check("alarms"), State.CRITICAL, limits)
    checked(cluster.check("local-alarms"), State.CRITICAL, limits)


def checked(check: HealthCheck, broken: State, limits: Limits) -> None:
    """Judge one health check of the broker; one that its version does not know says nothing."""
    if check.ok is None:
        limits.cannot_see(text("The broker does not know the health check {check}", check=check.name))
    elif check.ok:
        limits.hold(State.OK, of=check.name, summary=text("The health check {check} passes", check=check.name))
    else:
        said = {"check": check.name, "named": ", ".join(check.named) or check.reason}
        limits.hold(broken, of=check.name, summary=text("The health check {check} fails: {named}", **said))


def memory(cluster: Cluster, limits: Limits) -> None:
    """Judge each node's memory as a share of its watermark."""
    for node in _running(cluster):
        if node.memory is None:
            _untold(node, "mem_used", limits)
            continue
        of, used = size(node.memory.of), percent(node.memory.percent)
        said = text(
            "{node} uses {used} of the {limit} at which it stops publishers", node=node.name, used=used, limit=of
        )
        limits.judge(node.memory.percent, of=node.name, summary=said)


def disk(cluster: Cluster, limits: Limits) -> None:
    """Judge each node's free disk as a share of its watermark: at 100 % it stops publishers."""
    for node in _running(cluster):
        if node.disk_free is None or not node.disk_limit:
            _untold(node, "disk_free", limits)
            continue
        shown = {"free": size(node.disk_free), "limit": size(node.disk_limit)}
        said = text("{node} has {free} free and stops publishers at {limit}", node=node.name, **shown)
        limits.judge(100 * node.disk_free / node.disk_limit, of=node.name, summary=said)


def resources(cluster: Cluster, limits: Limits) -> None:
    """Judge files, sockets and Erlang processes as a share of what a node may have; 4.x counts no sockets."""
    for node in _running(cluster):
        needed = {"fd_used": node.files, "proc_used": node.processes}
        if cluster.major < 4:
            needed["sockets_used"] = node.sockets
        for name, share in needed.items():
            _resource(node, name, share, limits)


def _resource(node: Node, name: str, share: Share | None, limits: Limits) -> None:
    if share is None:
        _untold(node, name, limits)
        return
    shown = {"used": share.used, "of": share.of, "resource": name.partition("_")[0]}
    said = text("{node} has {used} of {of} in use ({resource})", node=node.name, **shown)
    limits.judge(share.percent, of=f"{node.name} ({shown['resource']})", summary=said)


def quorum(cluster: Cluster, inventory: Inventory, limits: Limits) -> None:
    """Judge whether a quorum queue has lost its majority, or would with one node more."""
    checked(cluster.check("node-is-quorum-critical"), State.WARNING, limits)
    for queue in inventory.thin:
        shown = {"queue": queue.name, "online": queue.online, "members": queue.members}
        if queue.online < queue.majority:
            lost = text("{queue} has {online} of its {members} members: no majority, it does nothing", **shown)
            limits.hold(State.CRITICAL, of=queue.name, value=queue.online, summary=lost)
        else:
            thin = text("{queue} has {online} of its {members} members: with one less it stops", **shown)
            limits.hold(State.WARNING, of=queue.name, value=queue.online, summary=thin)


def virtual_hosts(cluster: Cluster, limits: Limits) -> None:
    """Judge whether each virtual host runs on each node."""
    checked(cluster.check("virtual-hosts"), State.CRITICAL, limits)
    for host in cluster.virtual_hosts:
        down = [node for node, state in host.states.items() if state != "running"]
        shown = {"vhost": host.name, "nodes": ", ".join(down or host.states)}
        if down or not host.states:
            limits.hold(State.CRITICAL, of=host.name, summary=text("{vhost} does not run on {nodes}", **shown))
        else:
            limits.hold(State.OK, of=host.name, summary=text("{vhost} runs on {nodes}", **shown))


def certificates(found: Iterable[Certificate], limits: Limits) -> None:
    """Judge how long the certificate of each TLS listener is still good."""
    found = tuple(found)
    if not found:
        limits.skip(text("The broker has no TLS listener"))
    for one in found:
        shown = {"node": one.node, "listener": f"{one.protocol}:{one.port}"}
        if one.ends is None:
            limits.cannot_see(text("{node} does not say when the certificate of {listener} ends", **shown))
            continue
        said = text("{node}: the certificate of {listener} ends on {ends}", ends=one.ends, **shown)
        limits.judge(one.ends - clock.now(), of=f"{one.node} {shown['listener']}", summary=said)


def churn(cluster: Cluster, limits: Limits) -> None:
    """Judge how many connections and channels are opened a minute."""
    connections, channels = cluster.connections_opened, cluster.channels_opened
    if connections is None or channels is None:
        limits.cannot_see(text("The broker does not count the connections and channels that are opened"))
        return
    opened = text("New connections: {rate}", rate=per_minute(60 * connections))
    limits.judge(60 * connections, of="connections", summary=opened)
    of_channels = Threshold(limits.number("channels_warning"), limits.number("channels_critical"), unit="1/min")
    more = text("New channels: {rate}", rate=per_minute(60 * channels))
    limits.judge(60 * channels, of="channels", summary=more, threshold=of_channels)


def unroutable(host: VirtualHost | None, limits: Limits) -> None:
    """Judge how many messages of the last minutes no queue took."""
    if host is None or host.dropped is None or host.returned is None:
        limits.cannot_see(text("The broker does not count the messages that no queue takes"))
        return
    lost, back = Quantity(host.dropped, "messages"), Quantity(host.returned, "messages")
    said = text(
        "{vhost}: {lost} dropped and {back} given back, for no queue takes them", vhost=host.name, lost=lost, back=back
    )
    limits.judge(host.dropped + host.returned, of=host.name, summary=said)


def _running(cluster: Cluster) -> Iterator[Node]:
    """What does not run tells nothing of itself, and is another row's."""
    return (node for node in cluster.nodes if node.running)


def _untold(node: Node, what: str, limits: Limits) -> None:
    limits.cannot_see(text("{node} does not tell its {what}", node=node.name, what=what))
