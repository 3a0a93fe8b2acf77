"""The places of a stage when its number of replicas changes; nothing is started."""

from __future__ import annotations

import pytest

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
    assert made.resize("speak", 3) == ""
    assert of_speak(made) == [(0, "cuda:0", False), (1, "cuda:1", False), (2, "cuda:0", False)]
    assert made.desired() == {"listen": 1, "translate": 1, "speak": 3}


def test_fewer_replicas_are_surplus_and_forgotten_once_they_are_empty(slots):
    made = slots("1:1:2", threads=1)
    assert made.resize("speak", 1) == ""
    assert of_speak(made) == [(0, "cpu", False), (1, "cpu", True)]
    made.forget_surplus()
    assert of_speak(made) == [(0, "cpu", False)]


def test_another_thread_budget_replaces_every_replica(slots):
    made = slots()
    assert made.resize("speak", 2) == ""
    assert of_speak(made) == [(0, "cpu", True), (1, "cpu", False), (2, "cpu", False)]
    assert {slot.stage.threads for slot in made if not slot.surplus and slot.stage.name == "speak"} == {2}


def test_what_does_not_fit_changes_nothing(slots):
    made = slots(threads=4)
    before = of_speak(made)
    assert "there are 4" in made.resize("speak", 2)
    assert of_speak(made) == before
