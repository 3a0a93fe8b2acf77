"""The stages of a relay in their order, and what is known of them together."""

from __future__ import annotations

from collections.abc import Iterable

from workers.scheduling.stage import Stage, StagePlan
from workers.wire.messages import StageInfo, StageLoad


class StageTable:
    """The stages, `in_order` and by name, and the stage that each replica serves."""

    def __init__(self, plans: Iterable[StagePlan]) -> None:
        self.in_order = tuple(Stage(plan, place) for place, plan in enumerate(plans))
        self.last = len(self.in_order) - 1
        self._by_name = {stage.plan.name: stage for stage in self.in_order}
        self._by_replica: dict[str, Stage] = {}

    def find(self, name: str) -> Stage | None:
        """The stage of this name, or None."""
        return self._by_name.get(name)

    def named(self, name: str) -> Stage:
        """The stage of this name.

        Raises:
            KeyError: there is no such stage.
        """
        return self._by_name[name]

    # replicas

    def join(self, replica: str, stage: str) -> None:
        """Adds a warm and idle replica to a stage."""
        served = self._by_replica[replica] = self._by_name[stage]
        served.replicas.join(replica)

    def leave(self, replica: str) -> Stage | None:
        """Forgets which stage a replica serves; returns that stage, or None when the replica is unknown."""
        return self._by_replica.pop(replica, None)

    def of_replica(self, replica: str) -> Stage | None:
        """The stage that a replica serves, or None when the replica is unknown."""
        return self._by_replica.get(replica)

    def busy_replicas(self) -> set[str]:
        """The replicas that have jobs leased."""
        return {name for stage in self.in_order for name in stage.replicas.busy()}

    def leased_before(self, replica: str, then: float) -> bool:
        """Whether a job has been leased to a replica since before `then`."""
        stage = self._by_replica.get(replica)
        return stage is not None and stage.replicas.leased_before(replica, then)

    # the relay as a whole

    @property
    def all_ready(self) -> bool:
        """Whether every stage has a warm replica."""
        return all(stage.replicas.warm for stage in self.in_order)

    def has_room_after(self, stage: Stage) -> bool:
        """Whether the next stage takes one more job beside those that this stage may still send it."""
        if stage.place == self.last:
            return True
        return self.in_order[stage.place + 1].has_room(arriving=stage.replicas.in_service)

    def infos(self, desired: dict[str, int]) -> tuple[StageInfo, ...]:
        """What a client may know of each stage, with the number of replicas that the supervisor wants."""
        return tuple(stage.info(desired.get(stage.plan.name, 0)) for stage in self.in_order)

    def loads(self, now: float) -> tuple[StageLoad, ...]:
        """What the autoscaler needs to know of each stage."""
        return tuple(stage.load(now) for stage in self.in_order)
