"""Checks a module against the contract of `modules.contract.module`.

The rules are those that a relay depends on: a module that passes can be a stage. How well it translates is another
question.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from errors import InputError, RelevoError
from modules.contract.module import Compute, Module, Options
from modules.contract.notes import Note
from modules.contract.payloads import Audio, Payload, Samples, Text

Outputs = list[Payload | InputError]

UNKNOWN_OPTION = "no_module_has_this_option"
SOUND_TOLERANCE = 1e-4  # rounding: a batch may compute in another order than single inputs
SAMPLE_RATE = 16_000  # of the default inputs


class ContractViolation(AssertionError):
    """A module breaks the contract; the message names the module, the rule and the remedy."""


def check_module(
    module_class: type[Module],
    payloads: Sequence[Payload] | None = None,
    *,
    model: Path | None = None,
    options: Mapping[str, Any] | None = None,
    compute: Compute | None = None,
    deterministic: bool = True,
) -> list[Outputs]:
    """Loads a module, warms it, and runs it on inputs one by one and as a batch. Checks each rule of the contract.

    - The class names the payloads that it accepts and yields, and its options refuse an unknown one.
    - `process` returns an iterator of (position, output), and every position is one of the batch.
    - An output is the payload that the class yields, or an InputError, which is the last output of its input.
    - Text has a language. Audio is mono float32, finite, in [-1, 1], and always at one sample rate.
    - `start_s` and `end_s` are finite and in order. Notes are of type Note.
    - Inputs are not changed. In a relay the samples of audio are read-only.
    - A batch gives the outputs that its inputs give one by one, audio up to rounding.

    Args:
        module_class: the class to check.
        payloads: inputs of the type that the class accepts. The module must answer one of them at least with an
            output. By default two English sentences, or a second of tone and a second of noise, and an empty input.
        model: folder with the model's files; None for a module without.
        options: options by name, as in a configuration.
        compute: threads, device and seed; by default one thread of the CPU.
        deterministic: False leaves the last rule out, for a model that samples, or whose rounding depends on its
            batch.

    Returns:
        The outputs of each input by itself, in the order of `payloads`.

    Raises:
        ContractViolation: a rule is broken.
        RelevoError: the module refuses its model, its options or its device.
    """
    return _Checker(module_class).check(payloads, model, options or {}, compute or Compute(), deterministic)


class _Checker:
    def __init__(self, module_class: type[Module]) -> None:
        if not (isinstance(module_class, type) and issubclass(module_class, Module)):
            raise ContractViolation(f"{module_class!r} is not a subclass of modules.contract.module.Module")
        self._class = module_class
        self._sample_rate: int | None = None

    def check(
        self,
        payloads: Sequence[Payload] | None,
        model: Path | None,
        options: Mapping[str, Any],
        compute: Compute,
        deterministic: bool,
    ) -> list[Outputs]:
        self._check_payload_types()
        validated = self._validated(options)
        inputs = [_read_only(payload) for payload in self._inputs(payloads)]
        module = self._loaded(model, validated, compute)
        singles = [self._outputs(module, [payload])[0] for payload in inputs]
        self._check_answered(singles)
        together = self._outputs(module, inputs)
        if deterministic:
            self._check_batch(singles, together)
        return singles

    def _violation(self, problem: str) -> ContractViolation:
        return ContractViolation(f"{self._class.__name__} {problem}")

    def _check_payload_types(self) -> None:
        for attribute in ("accepts", "yields"):
            if getattr(self._class, attribute, None) not in (Text, Audio):
                raise self._violation(
                    f"does not say what it {attribute}; add `{attribute} = Text` or `{attribute} = Audio` to the class"
                )

    def _validated(self, options: Mapping[str, Any]) -> Options:
        kind = self._class.options_type
        if not (isinstance(kind, type) and issubclass(kind, Options)):
            raise self._violation(f"has the options_type {kind!r}; derive it from modules.contract.module.Options")
        try:
            validated = kind(**options)
        except ValidationError as error:
            raise self._violation(f"refuses the options {dict(options)}: {error}") from error
        try:
            kind(**options, **{UNKNOWN_OPTION: 1})
        except ValidationError:
            return validated
        raise self._violation(
            "accepts an option that it does not have, so a misspelt one goes unnoticed; "
            f"let {kind.__name__} forbid extra fields, as Options does"
        )

    def _inputs(self, payloads: Sequence[Payload] | None) -> Sequence[Payload]:
        if payloads is None:
            return _default_texts() if self._class.accepts is Text else _default_sounds()
        for payload in payloads:
            if not isinstance(payload, self._class.accepts):
                raise self._violation(
                    f"accepts {self._class.accepts.__name__}, but `payloads` holds {type(payload).__name__}; "
                    "pass payloads that it accepts"
                )
        return payloads

    def _loaded(self, model: Path | None, options: Options, compute: Compute) -> Module:
        try:
            module = self._class(model, options, compute)
        except RelevoError:
            raise
        except Exception as error:
            raise self._violation(f"cannot be loaded: {_named(error)}") from error
        try:
            module.warm_up()
        except Exception as error:
            raise self._violation(f"cannot be warmed: {_named(error)}") from error
        return module

    def _outputs(self, module: Module, batch: Sequence[Payload]) -> list[Outputs]:
        """Runs a batch and returns the outputs of each position."""
        outputs: list[Outputs] = [[] for _ in batch]
        for position, output in self._results(module, batch):
            if outputs[position] and isinstance(outputs[position][-1], InputError):
                raise self._violation(f"yields an output for input {position} after an InputError, which ends an input")
            if not isinstance(output, InputError):
                self._check_output(output)
            outputs[position].append(output)
        return outputs

    def _results(self, module: Module, batch: Sequence[Payload]) -> Iterator[tuple[int, Any]]:
        try:
            results = module.process(batch)
            if not isinstance(results, Iterator):
                raise self._violation(
                    f"returns a {type(results).__name__} from process; make it a generator that yields each output as "
                    "soon as it is ready"
                )
            for result in results:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise self._violation(f"yields {_brief(result)}; yield (position in the batch, output)")
                position, output = result
                if type(position) is not int or not 0 <= position < len(batch):
                    raise self._violation(
                        f"yields the position {position!r} in a batch of {len(batch)}; an int from 0 names the input"
                    )
                yield position, output
        except ContractViolation:
            raise
        except Exception as error:
            remedy = "yield an InputError for an input that cannot be used"
            if isinstance(error, ValueError) and "read-only" in str(error):
                remedy = "compute on a copy, since the samples of an input are read-only"
            raise self._violation(f"fails on a batch of {len(batch)}: {_named(error)}; {remedy}") from error

    def _check_output(self, output: Any) -> None:
        if not isinstance(output, self._class.yields):
            raise self._violation(f"yields {_brief(output)} but declares `yields = {self._class.yields.__name__}`")
        if not (math.isfinite(output.start_s) and math.isfinite(output.end_s) and output.start_s <= output.end_s):
            raise self._violation(f"yields an output from {output.start_s} s to {output.end_s} s; put them in order")
        if not (isinstance(output.notes, tuple) and all(isinstance(note, Note) for note in output.notes)):
            raise self._violation(f"yields the notes {output.notes!r}; make them a tuple of Note")
        if isinstance(output, Text):
            self._check_text(output)
        else:
            self._check_audio(output)

    def _check_text(self, output: Text) -> None:
        if not isinstance(output.text, str):
            raise self._violation(f"yields Text that holds {_brief(output.text)}; make it a str")
        if not (isinstance(output.language, str) and output.language):
            raise self._violation(f"yields Text in the language {output.language!r}; name it by its BCP-47 tag")

    def _check_audio(self, output: Audio) -> None:
        if not np.isfinite(output.samples).all():
            raise self._violation("yields audio with NaN or infinite samples; raise a ModelError instead")
        peak = float(np.abs(output.samples).max(initial=0.0))
        if peak > 1:
            raise self._violation(f"yields audio with a peak of {peak:.3g}; scale or clip it to [-1, 1]")
        self._sample_rate = self._sample_rate or output.sample_rate
        if output.sample_rate != self._sample_rate:
            raise self._violation(
                f"yields audio at {self._sample_rate} Hz and at {output.sample_rate} Hz; resample it to one rate"
            )

    def _check_answered(self, outputs: list[Outputs]) -> None:
        given = [output for each in outputs for output in each]
        if any(isinstance(output, self._class.yields) for output in given):
            return
        refusal = f" (such as: {given[0]})" if given else ""
        raise self._violation(
            f"answers none of {len(outputs)} inputs with {self._class.yields.__name__}{refusal}; "
            "pass `payloads` that it can answer"
        )

    def _check_batch(self, singles: list[Outputs], together: list[Outputs]) -> None:
        for position, (alone, in_batch) in enumerate(zip(singles, together, strict=True)):
            if not _same(alone, in_batch):
                raise self._violation(
                    f"gives input {position} {_brief(alone)} by itself and {_brief(in_batch)} in a batch; keep the "
                    "inputs of a batch apart, or pass deterministic=False where answers may vary"
                )


def _default_texts() -> list[Payload]:
    return [
        Text("Good morning. Where is the museum?", "en", 0.0, 2.0),
        Text("The train leaves in ten minutes.", "en", 2.5, 4.0),
        Text("", "en", 4.0, 4.0),
    ]


def _default_sounds() -> list[Payload]:
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone: Samples = (0.3 * np.sin(2 * np.pi * 220 * seconds)).astype(np.float32)
    noise: Samples = np.random.default_rng(0).uniform(-0.1, 0.1, SAMPLE_RATE).astype(np.float32)
    return [
        Audio(tone, SAMPLE_RATE, 0.0, 1.0),
        Audio(noise, SAMPLE_RATE, 1.0, 2.0),
        Audio(np.zeros(0, np.float32), SAMPLE_RATE, 2.0, 2.0),
    ]


def _read_only(payload: Payload) -> Payload:
    """Returns the payload as a relay passes it on: the samples of audio are a read-only view of a frame."""
    if isinstance(payload, Text):
        return payload
    samples = np.frombuffer(payload.samples.tobytes(), np.float32)
    return Audio(samples, payload.sample_rate, payload.start_s, payload.end_s, payload.notes)


def _same(alone: Outputs, in_batch: Outputs) -> bool:
    return len(alone) == len(in_batch) and all(map(_same_output, alone, in_batch))


def _same_output(one: Payload | InputError, other: Payload | InputError) -> bool:
    if isinstance(one, Audio) and isinstance(other, Audio):
        return (
            (one.start_s, one.end_s, one.notes) == (other.start_s, other.end_s, other.notes)
            and one.samples.shape == other.samples.shape
            and bool(np.allclose(one.samples, other.samples, atol=SOUND_TOLERANCE))
        )
    if isinstance(one, InputError) and isinstance(other, InputError):
        return True
    return one == other


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _brief(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_brief, value))}]"
    if isinstance(value, Audio):
        return f"Audio of {value.seconds:.3f} s"
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
