"""The places of all replicas: how many each stage is to have, which are due to be filled, which are to go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from errors import ConfigError
from workers.plan import Plan, StageLayout, resized
from workers.supervisor.slot import Slot


class Slots:
    """Every stage's places, as the plan asks at first and `resize` changes it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.stages = {stage.name: stage for stage in plan.stages}
        self._slots = [slot for stage in plan.stages for slot in _new(stage, 0, stage.devices)]

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def of(self, replica: str) -> Slot | None:
        """The place that a replica of ours runs in."""
        return next((slot for slot in self._slots if slot.name == replica and slot.child), None)

    def desired(self) -> dict[str, int]:
        """Replicas that each stage is to have."""
        wanted = [slot.stage.name for slot in self._slots if not slot.surplus]
        return {name: wanted.count(name) for name in self.stages}

    def serving(self) -> set[str]:
        """The stages that have a warm replica."""
        return {slot.stage.name for slot in self._slots if slot.serving}

    def loading_bytes(self) -> int:
        """Memory that those which are loading may come to need."""
        return sum(slot.stage.replica_bytes for slot in self._slots if slot.loading)

    def resize(self, stage: str, replicas: int) -> str:
        """Changes the number of a stage's replicas; what stands against it, or nothing.

        Replicas with another thread budget than the new number allows are replaced, the new before the old leave.
        """
        try:
            layout = resized(self._plan, self.stages.get(stage), stage, replicas)
        except ConfigError as error:
            return str(error)
        self.stages[stage] = layout
        ours = [slot for slot in self._slots if slot.stage.name == stage]
        keep = [slot for slot in ours if slot.stage.threads == layout.threads][:replicas]
        for slot in ours:
            slot.surplus = slot not in keep
        first = 1 + max((slot.number for slot in ours), default=-1)
        self._slots += _new(layout, first, layout.devices[len(keep) :])
        return ""

    def enough_without(self, slot: Slot) -> bool:
        """Whether the places that are to stay are all warm, so that a surplus one may leave."""
        staying = [other for other in self._slots if other.stage.name == slot.stage.name and not other.surplus]
        return all(other.serving for other in staying)

    def forget_surplus(self) -> None:
        """Lets go of the places that are empty and not to be filled again."""
        self._slots = [slot for slot in self._slots if slot.child or not slot.surplus]


def _new(stage: StageLayout, first: int, devices: Sequence[str]) -> list[Slot]:
    return [Slot(stage, first + number, device) for number, device in enumerate(devices)]
