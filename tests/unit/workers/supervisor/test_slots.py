"""The slots of a stage when its number of replicas changes; nothing is started."""

from __future__ import annotations

import pytest

from errors import ConfigError
from workers.config import load_config
from workers.plan import make_plan
from workers.supervisor.slots import Slots


@pytest.fixture
def slots(fake_config):
    def make(ratio: str = "1:1:1", **keys: object) -> Slots:
        return Slots(make_plan(load_config(fake_config({"speak": keys}), ratio=ratio)))

    return make


def of_speak(slots: Slots) -> list[tuple[int, str, bool]]:
    return [(slot.number, slot.device, slot.surplus) for slot in slots if slot.stage.name == "speak"]


def test_more_replicas_take_the_devices_that_follow(slots):
    made = slots(device=["cuda:0", "cuda:1"], threads=1)
    made.resize("speak", 3)
    assert of_speak(made) == [(0, "cuda:0", False), (1, "cuda:1", False), (2, "cuda:0", False)]
    assert made.desired() == {"listen": 1, "translate": 1, "speak": 3}


def test_surplus_slots_are_removed_once_they_are_empty_and_their_numbers_are_not_used_again(slots):
    made = slots("1:1:2", threads=1)
    made.resize("speak", 1)
    assert of_speak(made) == [(0, "cpu", False), (1, "cpu", True)]
    assert [slot.number for slot in made.remove_surplus()] == [1]
    assert of_speak(made) == [(0, "cpu", False)]
    made.resize("speak", 2)
    assert of_speak(made) == [(0, "cpu", False), (2, "cpu", False)]


def test_another_thread_budget_replaces_every_replica(slots):
    made = slots(threads="auto")
    made.resize("speak", 2)
    assert of_speak(made) == [(0, "cpu", True), (1, "cpu", False), (2, "cpu", False)]
    assert {slot.stage.threads for slot in made if not slot.surplus and slot.stage.name == "speak"} == {2}


def test_what_does_not_fit_changes_nothing(slots):
    made = slots(threads=4)
    before = of_speak(made)
    with pytest.raises(ConfigError, match="there are 4"):
        made.resize("speak", 2)
    assert of_speak(made) == before
