"""Deployments and StatefulSets of a Kubernetes namespace, through its API server.

Who reads and who changes may be two identities. The number is changed through the ``scale`` subresource and names the
``resourceVersion`` that it is of; a plan names uid and generation instead, for every pod that comes or goes changes the
resourceVersion, and a plan has to outlive that. A number that an autoscaler owns is left to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.settings import WorkersSettings
from runbook.settings.workers import KubernetesSettings
from runbook.targets.rights import Right
from runbook.targets.workers.access import opened
from runbook.targets.workers.api import Api
from runbook.targets.workers.objects import Autoscaler, Listing, Pod, Review, Workload
from runbook.targets.workers.pods import counts, replica, selector
from runbook.targets.workers.replicas import Change, Replica, Service
from runbook.text import text

#: Pods that are listed at once; a service has fewer.
_PAGE = "500"
#: How often a change is tried that a pod's coming or going was in the way of.
_TRIES = 5
_CONFLICT, _BUDGET = "409", "429"


class Kubernetes:
    """The two services in one namespace."""

    def __init__(self, target: str, settings: WorkersSettings) -> None:
        given = settings.kubernetes or KubernetesSettings()
        self._target, self._most, self._stateful = target, settings.patience, given.stateful
        self._names = (settings.processing, settings.consolidation)
        self._reader, self._namespace = opened(target, settings.url, given, operator=False)
        self._operator, _ = opened(target, settings.url, given, operator=True)

    def replicas(self) -> tuple[Replica, ...]:
        """The pods of the services that have not ended, oldest first. Reads only."""
        return tuple(one for found in self._workloads() for one in self._replicas(found))

    def services(self) -> tuple[Service, ...]:
        """The services by their workloads' spec, with the autoscaler that owns the number, if one does. Reads only."""
        scalers, unseen = self._autoscalers()
        return tuple(self._service(found, scalers, unseen) for found in self._workloads())

    def start(self, name: str) -> None:
        raise NotImplementedError  # refused before: its replicas are not declared

    stop = start

    def scale(self, service: Service, to: int) -> Change:
        """Write the number into the scale subresource. Raises ActionError, refused, where the spec changed."""
        for _ in range(_TRIES):
            found = self._workload(service.name)
            if found is None or found.version != service.version:
                raise self._changed("scale", service.name)
            body = {
                "apiVersion": "autoscaling/v1",
                "kind": "Scale",
                "metadata": {
                    "name": service.name,
                    "namespace": self._namespace,
                    "uid": found.metadata.uid,
                    "resourceVersion": found.metadata.resource_version,
                },
                "spec": {"replicas": to},
            }
            try:
                self._operator.send("PUT", f"{self._path(service.name)}/scale", body)
                return Change()
            except ProbeError as error:
                if error.code != _CONFLICT:
                    raise
        raise self._changed("scale", service.name)

    def replace(self, replica: Replica) -> None:
        """Evict the pod, which heeds disruption budgets; its controller makes another. Raises ActionError, refused."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": replica.name, "namespace": self._namespace},
            "deleteOptions": {"preconditions": {"uid": replica.life}},
        }
        try:
            self._operator.send("POST", f"{self._core}/pods/{quote(replica.name, safe='')}/eviction", body)
        except ProbeError as error:
            if error.code == _BUDGET:
                said = text("a PodDisruptionBudget keeps {pod} from being restarted now", pod=replica.name)
                raise ActionError(self._target, "restart", said, refused=True) from error
            if error.code in ("404", _CONFLICT):
                raise self._changed("restart", replica.name) from error
            raise

    def roll(self, service: Service) -> None:
        raise NotImplementedError  # its pods are replaced one by one

    def patience(self, name: str) -> timedelta:
        """A Deployment's own word on when it has failed to progress; the site's where it has none."""
        found = self._workload(name)
        given = found.spec.progress_deadline_seconds if found else None
        return timedelta(seconds=given) if given else self._most

    def rights(self) -> tuple[Right, ...]:
        """What reader and operator may do in the namespace, by the server's own word. Reads only."""
        kinds = sorted({self._kind(name)[0] for name in self._names})
        needed = [("apps", kind, "", "get") for kind in kinds]
        needed += [("", "pods", "", "list"), ("autoscaling", "horizontalpodautoscalers", "", "list")]
        changing = [("apps", kind, "scale", "update") for kind in kinds] + [("", "pods", "eviction", "create")]
        told = [self._right(self._reader, "reader", *right) for right in needed]
        return (*told, *(self._right(self._operator, "operator", *right) for right in changing))

    def _workloads(self) -> list[Workload]:
        found = [row for name in self._names if (row := self._workload(name)) is not None]
        if not found:
            said = text(
                "namespace {namespace} has no workload {names}",
                namespace=self._namespace,
                names=", ".join(f"{self._kind(name)[0]}/{name}" for name in self._names),
            )
            raise ProbeError(self._target, ProbeFailure.ABSENT, said)
        return found

    def _workload(self, name: str) -> Workload | None:
        try:
            return self._reader.get(self._path(name), Workload)[0]
        except ProbeError as error:
            if error.kind is not ProbeFailure.ABSENT:
                raise
            return None

    def _service(self, found: Workload, scalers: list[Autoscaler], unseen: str) -> Service:
        name, kind = found.metadata.name, self._kind(found.metadata.name)[1]
        owner = next((a for a in scalers if (a.spec.target.kind, a.spec.target.name) == (kind, name)), None)
        return Service(
            name=name,
            wanted=found.spec.replicas,
            running=sum(one.well for one in self._replicas(found)),
            owner="" if owner is None else owner.shown,
            unseen=(unseen,) if unseen else (),
            version=found.version,
            rolling=found.rolling,
            numbered=True,
            problem=found.problem,
        )

    def _replicas(self, found: Workload) -> list[Replica]:
        pods, now = self._pods(selector(found.spec.selector))
        own = sorted(
            (pod for pod in pods if counts(pod)), key=lambda pod: (pod.metadata.created or now, pod.metadata.name)
        )
        return [replica(found.metadata.name, pod, now) for pod in own]

    def _pods(self, chosen: str) -> tuple[list[Pod], datetime]:
        """Page by page: a list that was cut is no list."""
        page, now = self._reader.get(f"{self._core}/pods", Listing[Pod], labelSelector=chosen, limit=_PAGE)
        pods = list(page.items)
        while more := page.metadata.next_page:
            query = {"labelSelector": chosen, "limit": _PAGE, "continue": more}
            page, _ = self._reader.get(f"{self._core}/pods", Listing[Pod], **query)
            pods += page.items
        return pods, now

    def _autoscalers(self) -> tuple[list[Autoscaler], str]:
        """Those of the namespace, or why they cannot be seen: then nobody knows whose the number is."""
        path = f"/apis/autoscaling/v1/namespaces/{quote(self._namespace, safe='')}/horizontalpodautoscalers"
        try:
            return list(self._reader.get(path, Listing[Autoscaler])[0].items), ""
        except ProbeError as error:
            if error.code is None:
                raise
            return [], f"horizontalpodautoscalers (HTTP {error.code})"

    def _right(self, who: Api, identity: str, group: str, resource: str, part: str, verb: str) -> Right:
        attributes = {"namespace": self._namespace, "verb": verb, "group": group, "resource": resource}
        asked = {**attributes, "subresource": part} if part else attributes
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        whole = f"{resource}/{part}" if part else resource
        told = who.told("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, Review)
        return Right(
            what=text(
                "{verb} {resource} in namespace {namespace}", verb=verb, resource=whole, namespace=self._namespace
            ),
            held=told.status.allowed,
            mend=f"kubectl -n {self._namespace} create role muses-{identity} --verb={verb} --resource={whole}"
            f"  # then: kubectl create rolebinding",
            identity="operator" if identity == "operator" else "reader",
        )

    def _kind(self, name: str) -> tuple[str, str]:
        return ("statefulsets", "StatefulSet") if name in self._stateful else ("deployments", "Deployment")

    def _path(self, name: str) -> str:
        namespace = quote(self._namespace, safe="")
        return f"/apis/apps/v1/namespaces/{namespace}/{self._kind(name)[0]}/{quote(name, safe='')}"

    @property
    def _core(self) -> str:
        return f"/api/v1/namespaces/{quote(self._namespace, safe='')}"

    def _changed(self, step: str, name: str) -> ActionError:
        said = text("{service} was changed by somebody else at this moment: look again", service=name)
        return ActionError(self._target, step, said, refused=True)
