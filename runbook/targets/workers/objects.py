"""Kubernetes' objects, as far as replicas need them; what else the server tells is left aside."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Object(msgspec.Struct, frozen=True, rename="camel"):
    """What all of them are: read, and never sent back."""


class Metadata(Object, frozen=True):
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    created: datetime | None = msgspec.field(name="creationTimestamp", default=None)
    deleted: datetime | None = msgspec.field(name="deletionTimestamp", default=None)


class Condition(Object, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class Requirement(Object, frozen=True):
    key: str
    operator: str
    values: tuple[str, ...] | None = None


class Selector(Object, frozen=True):
    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] | None = None


class WorkloadSpec(Object, frozen=True):
    """``replicas`` is 1 where nobody said, which the server fills in."""

    selector: Selector
    replicas: int = 1
    progress_deadline_seconds: int | None = None


class WorkloadStatus(Object, frozen=True):
    """The controller's word on the generation that it has seen."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] | None = None


class Workload(Object, frozen=True):
    """A Deployment or a StatefulSet."""

    metadata: Metadata
    spec: WorkloadSpec
    status: WorkloadStatus

    @property
    def version(self) -> str:
        """Another one after each change of the spec, whoever makes it, and for another object of the same name."""
        return f"{self.metadata.uid}/{self.metadata.generation}"

    @property
    def rolling(self) -> bool:
        """Whether the controller has not seen the last change yet."""
        return self.status.observed_generation < self.metadata.generation

    @property
    def problem(self) -> str:
        """Why the controller does not get on, in its own words."""
        told = {condition.type: condition for condition in self.status.conditions or ()}
        failed, progress = told.get("ReplicaFailure"), told.get("Progressing")
        if failed is not None and failed.status == "True":
            return f"{failed.reason}: {failed.message}"
        return f"{progress.reason}: {progress.message}" if progress is not None and progress.status == "False" else ""


class Terminated(Object, frozen=True):
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None


class Waiting(Object, frozen=True):
    reason: str = ""
    message: str = ""


class Running(Object, frozen=True):
    started_at: datetime | None = None


class ContainerState(Object, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Object, frozen=True):
    name: str
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodSpec(Object, frozen=True):
    node_name: str = ""


class PodStatus(Object, frozen=True):
    phase: str = ""
    start_time: datetime | None = None
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(Object, frozen=True):
    metadata: Metadata
    spec: PodSpec
    status: PodStatus


class Target(Object, frozen=True):
    kind: str
    name: str


class AutoscalerSpec(Object, frozen=True):
    target: Target = msgspec.field(name="scaleTargetRef")
    max_replicas: int = 0
    min_replicas: int = 1


class Autoscaler(Object, frozen=True):
    """A HorizontalPodAutoscaler."""

    metadata: Metadata
    spec: AutoscalerSpec

    @property
    def shown(self) -> str:
        """Its name and its bounds, for people."""
        return f"HorizontalPodAutoscaler {self.metadata.name} ({self.spec.min_replicas}–{self.spec.max_replicas})"


class Page(Object, frozen=True):
    next_page: str = msgspec.field(name="continue", default="")


class Listing(Object, Generic[T], frozen=True):
    """A page of a list; there is another one where ``metadata`` says so."""

    items: tuple[T, ...]
    metadata: Page = Page()


class ReviewStatus(Object, frozen=True):
    allowed: bool = False


class Review(Object, frozen=True):
    """The server's answer to whether we may do something."""

    status: ReviewStatus
