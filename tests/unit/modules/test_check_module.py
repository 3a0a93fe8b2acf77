"""The checker of modules: what keeps the contract passes, and each broken rule is named."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from errors import ConfigError, InputError, MissingWeights
from modules.contract.module import Compute, Options
from modules.contract.payloads import Audio, Text
from modules.testing import ContractViolation, check_module, stand_in_stages, write_configuration
from modules.testing.faulty import FaultyListen, FaultySpeak, FaultyTranslate
from modules.testing.noop import ANSWER, NoopListen, NoopSpeak, NoopTranslate
from modules.testing.stand_in import StandIn
from modules.testing.timed import TimedListen, TimedSpeak, TimedTranslate, request_audio
from workers.config import load_config
from workers.plan import make_plan


class Upper(StandIn):
    accepts, yields = Text, Text

    def outputs(self, payload: Any, batch_size: int) -> Any:
        return [Text(payload.text.upper(), payload.language, payload.start_s, payload.end_s)]


def test_a_module_that_keeps_the_contract_passes_and_its_outputs_come_back():
    outputs = check_module(Upper, [Text("uno", "es"), Text("dos", "es")])
    assert outputs == [[Text("UNO", "es")], [Text("DOS", "es")]]


@pytest.mark.parametrize("kind", [NoopListen, NoopTranslate, NoopSpeak, FaultyListen, FaultySpeak])
def test_stand_ins_keep_it_on_the_default_inputs(kind):
    assert check_module(kind)


def test_timed_stand_ins_keep_it_on_numbered_requests():
    check_module(TimedListen, [request_audio(number) for number in range(3)], options={"service_s": [0.0, 0.001]})
    for kind in (TimedTranslate, TimedSpeak):
        check_module(kind, [Text("1", "en"), Text("2", "en")])


def test_an_input_that_a_module_refuses_is_an_output_and_no_violation():
    *heard, refused = check_module(FaultyListen)
    assert all(isinstance(output, Text) for outputs in heard for output in outputs)
    assert [type(output) for output in refused] == [InputError]


def test_answers_that_depend_on_the_batch_are_a_violation_unless_allowed():
    with pytest.raises(ContractViolation, match=r"gives input 0 .*/1.* by itself and .*/3.* in a batch"):
        check_module(FaultyTranslate)
    assert check_module(FaultyTranslate, deterministic=False)


def test_the_budget_reaches_the_module():
    class Threads(Upper):
        def outputs(self, payload: Any, batch_size: int) -> Any:
            return [Text(f"{self.compute.threads} {self.compute.seed}", "en")]

    assert check_module(Threads, [Text("?", "en")], compute=Compute(threads=3, seed=7)) == [[Text("3 7", "en")]]


def upper(**attributes: Any) -> type[Upper]:
    return type("Broken", (Upper,), attributes)


def answering(*outputs: Any) -> type[Upper]:
    return upper(outputs=lambda self, payload, batch_size: outputs)


def audio(samples: Any, sample_rate: int = 16_000) -> Audio:
    return Audio(np.asarray(samples, np.float32), sample_rate)


def speaking(*outputs: Any) -> type[Upper]:
    return upper(yields=Audio, outputs=lambda self, payload, batch_size: outputs)


class LaxOptions(Options):
    model_config = ConfigDict(extra="ignore")


class ForeignOptions(BaseModel):
    pass


class BoundedOptions(Options):
    beams: int = Field(1, ge=1, description="beams")


def late_error(self: Any, payload: Any, batch_size: int) -> Iterator[Any]:
    yield Text("a", "en")
    yield InputError("the rest cannot be read")
    yield Text("b", "en")


def raising(error: Exception) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (upper(accepts=None), r"does not say what it accepts; add `accepts = Text`"),
        (upper(yields=bytes), r"does not say what it yields"),
        (upper(options_type=LaxOptions), r"accepts an option that it does not have"),
        (upper(options_type=ForeignOptions), r"has the options_type .*derive it from modules.contract.module.Options"),
        (upper(__init__=raising(KeyError("vocab"))), r"cannot be loaded: KeyError: 'vocab'"),
        (upper(__init__=lambda self: None), r"cannot be loaded: TypeError"),
        (upper(warm_up=raising(RuntimeError("no kernel"))), r"cannot be warmed: RuntimeError: no kernel"),
        (upper(process=lambda self, batch: [(0, batch[0])]), r"returns a list from process; make it a generator"),
        (upper(process=lambda self, batch: iter(batch)), r"yields Text\(.*yield \(position in the batch, output\)"),
        (upper(process=lambda self, batch: iter([(1, batch[0])])), r"yields the position 1 in a batch of 1"),
        (upper(process=lambda self, batch: iter([(-1, batch[0])])), r"yields the position -1"),
        (upper(process=lambda self, batch: iter([("0", batch[0])])), r"yields the position '0'"),
        (upper(outputs=raising(IndexError("0"))), r"fails on a batch of 1: IndexError: 0; yield an InputError"),
        (upper(outputs=late_error), r"yields an output for input 0 after an InputError"),
        (answering("text"), r"yields 'text' but declares `yields = Text`"),
        (answering(ANSWER), r"yields Audio of 5.000 s but declares `yields = Text`"),
        (answering(), r"answers none of 3 inputs with Text; pass `payloads`"),
        (answering(InputError("not English")), r"answers none of 3 inputs with Text \(such as: not English\)"),
        (answering(Text(b"a", "en")), r"yields Text that holds b'a'"),
        (answering(Text("a", "")), r"yields Text in the language ''; name it by its BCP-47 tag"),
        (answering(Text("a", "en", 2.0, 1.0)), r"yields an output from 2.0 s to 1.0 s"),
        (answering(Text("a", "en", 0.0, float("nan"))), r"yields an output from 0.0 s to nan s"),
        (answering(Text("a", "en", notes=("cut",))), r"yields the notes \('cut',\)"),
        (speaking(audio([0.5, 1.5])), r"yields audio with a peak of 1.5; scale or clip it"),
        (speaking(audio([0.5, float("nan")])), r"yields audio with NaN or infinite samples"),
        (speaking(audio([0.5]), audio([0.5], 24_000)), r"yields audio at 16000 Hz and at 24000 Hz"),
    ],
)
def test_each_broken_rule_is_named(module, message):
    with pytest.raises(ContractViolation, match=f"^Broken {message}"):
        check_module(module)


def test_the_samples_of_an_input_must_not_be_changed():
    class LouderInPlace(StandIn):
        accepts = yields = Audio

        def outputs(self, payload: Any, batch_size: int) -> Any:
            samples = payload.samples
            samples *= 2
            return [payload]

    with pytest.raises(ContractViolation, match="compute on a copy, since the samples of an input are read-only"):
        check_module(LouderInPlace)


def test_a_batch_that_is_mixed_up_is_found():
    def mixed(self: Any, batch: Any) -> Iterator[Any]:
        yield from enumerate(reversed(batch))

    with pytest.raises(ContractViolation, match="Broken gives input 0"):
        check_module(upper(process=mixed))


def test_sound_may_differ_by_rounding_only():
    def speak(difference: float) -> Any:
        return lambda self, payload, batch_size: [audio([0.5 + difference * batch_size])]

    check_module(upper(yields=Audio, outputs=speak(1e-6)))
    with pytest.raises(ContractViolation, match="in a batch"):
        check_module(upper(yields=Audio, outputs=speak(1e-2)))


def test_options_are_validated_by_name():
    kind = upper(options_type=BoundedOptions)
    check_module(kind, options={"beams": 4})
    with pytest.raises(ContractViolation, match=r"refuses the options \{'beams': 0\}"):
        check_module(kind, options={"beams": 0})


def test_the_modules_own_errors_pass_through():
    with pytest.raises(MissingWeights, match="fail_load"):
        check_module(FaultyListen, options={"fail_load": True})


def test_inputs_must_be_what_the_module_accepts():
    with pytest.raises(ContractViolation, match="accepts Text, but `payloads` holds Audio"):
        check_module(Upper, [ANSWER])


@pytest.mark.parametrize("kind", [SimpleNamespace, "modules.testing.noop:NoopListen"])
def test_what_is_no_module_is_refused(kind):
    with pytest.raises(ContractViolation, match="is not a subclass"):
        check_module(kind)


@pytest.mark.parametrize("kind", ["noop", "timed", "faulty"])
def test_stand_ins_of_every_kind_make_a_relay(kind, tmp_path):
    path = write_configuration(tmp_path / "relay.yaml", stand_in_stages(kind, {"speak": {"max_batch": 2}}), cores=4)
    plan = make_plan(load_config(path, ratio="1:1:2"))
    assert [(stage.name, stage.replicas, stage.threads) for stage in plan.stages] == [
        ("listen", 1, 1), ("translate", 1, 1), ("speak", 2, 1)
    ]  # fmt: skip
    assert plan.stages[2].config.max_batch == 2


def test_options_reach_the_stage_that_they_name():
    stages = stand_in_stages("timed", speak={"service_s": [0.2]})
    assert [stage["options"] for stage in stages.values()] == [{}, {}, {"service_s": [0.2]}]
    with pytest.raises(ConfigError, match="there is no stage sing"):
        stand_in_stages("timed", sing={"service_s": [0.2]})


def test_every_option_of_a_stand_in_is_described():
    for kind in (FaultyListen, TimedListen, NoopSpeak):
        for name, field in kind.options_type.model_fields.items():
            assert field.description, name
