"""The slots of every stage: how many there are, and which of them are surplus."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from workers.plan import Plan, StageLayout, resized
from workers.supervisor.slot import Slot


class Slots:
    """All slots of a relay. The plan says how many each stage has at first; `resize` changes that."""

    def __init__(self, plan: Plan) -> None:
        """Makes the slots that the plan asks for, all empty."""
        self._plan = plan
        self.stages = {stage.name: stage for stage in plan.stages}
        self._numbers = {stage.name: itertools.count() for stage in plan.stages}
        self._slots = [slot for stage in plan.stages for slot in self._new(stage, stage.devices)]

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def of(self, replica: str) -> Slot | None:
        """The slot that a replica of this name fills."""
        return next((slot for slot in self._slots if slot.name == replica and slot.child), None)

    def desired(self) -> dict[str, int]:
        """The number of replicas that each stage shall have."""
        wanted = [slot.stage.name for slot in self._slots if not slot.surplus]
        return {name: wanted.count(name) for name in self.stages}

    def serving(self) -> set[str]:
        """The stages that have a warm replica."""
        return {slot.stage.name for slot in self._slots if slot.serving}

    def loading_bytes(self) -> int:
        """The memory that replicas which are loading may come to need."""
        return sum(slot.stage.replica_bytes for slot in self._slots if slot.loading)

    def resize(self, stage: str, replicas: int) -> None:
        """Changes the number of a stage's slots.

        Slots with another thread budget than the new number allows become surplus, and new ones take their place.

        Raises:
            ConfigError: the stage cannot have so many replicas; says why.
        """
        layout = resized(self._plan, self.stages.get(stage), stage, replicas)
        self.stages[stage] = layout
        ours = [slot for slot in self._slots if slot.stage.name == stage]
        keep = [slot for slot in ours if slot.stage.threads == layout.threads][:replicas]
        for slot in ours:
            slot.surplus = slot not in keep
        self._slots += self._new(layout, layout.devices[len(keep) :])

    def enough_without(self, slot: Slot) -> bool:
        """Whether every slot of the stage that is to stay has a warm replica, so that a surplus one may go."""
        staying = [other for other in self._slots if other.stage.name == slot.stage.name and not other.surplus]
        return all(other.serving for other in staying)

    def remove_surplus(self) -> list[Slot]:
        """Removes the surplus slots that are empty, and returns them."""
        removed = [slot for slot in self._slots if slot.surplus and slot.child is None]
        self._slots = [slot for slot in self._slots if slot not in removed]
        return removed

    def _new(self, stage: StageLayout, devices: Sequence[str]) -> list[Slot]:
        return [Slot(stage, next(self._numbers[stage.name]), device) for device in devices]
