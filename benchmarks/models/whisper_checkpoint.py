"""Turns the offline Whisper, which is converted for CTranslate2, back into a checkpoint of transformers.

With it modules/whisper/hf.py can be measured on real weights where no hub is reachable. The format of model.bin is that
of ``ModelSpec._serialize`` in CTranslate2's Python package.
"""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
# Names of the parts of a layer: in transformers, and in CTranslate2.
_NORMS = {"self_attn_layer_norm": "self_attention/layer_norm", "final_layer_norm": "ffn/layer_norm"}
_LINEARS = {"fc1": "ffn/linear_0", "fc2": "ffn/linear_1"}


def save_for_transformers(source: Path, folder: Path) -> Path:
    """Writes a WhisperForConditionalGeneration in float32, with its tokenizer, and returns its folder.

    Args:
        source: a float16 or float32 Whisper for CTranslate2, with tokenizer.json and config.json.
        folder: the folder to write; it must not exist.
    """
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    variables = read_variables(source / "model.bin")
    tokens = {t["content"]: t["id"] for t in json.loads((source / "tokenizer.json").read_text("utf-8"))["added_tokens"]}
    settings = json.loads((source / "config.json").read_text("utf-8"))
    width, bands = variables["encoder/conv1/weight"].shape[:2]
    end, start = tokens["<|endoftext|>"], tokens["<|startoftranscript|>"]
    ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    sizes = {"d_model": width, "num_mel_bins": bands, "vocab_size": len(variables["decoder/embeddings/weight"])}
    for part in ("encoder", "decoder"):
        sizes |= {
            f"{part}_layers": _layers(variables, part),
            f"{part}_attention_heads": int(variables[f"{part}/num_heads"]),
            f"{part}_ffn_dim": len(variables[f"{part}/layer_0/ffn/linear_0/weight"]),
        }
    model = WhisperForConditionalGeneration(WhisperConfig(**sizes, **ends))
    state = {name: torch.from_numpy(values.astype(np.float32)) for name, values in _renamed(variables).items()}
    model.load_state_dict(state, strict=True)
    names = {number: name for name, number in tokens.items()}
    model.generation_config = GenerationConfig(
        **ends,
        is_multilingual=True,
        lang_to_id={names[number]: number for number in settings["lang_ids"]},
        task_to_id={task: tokens[f"<|{task}|>"] for task in ("translate", "transcribe")},
        no_timestamps_token_id=tokens["<|notimestamps|>"],
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
    )
    model.save_pretrained(folder)
    shutil.copy(source / "tokenizer.json", folder)
    return folder


def read_variables(file: Path) -> dict[str, NDArray[np.generic]]:
    """Reads the arrays of a model.bin, by name."""
    with file.open("rb") as stream:
        _number(stream, "I")  # version of the format
        _string(stream)  # name of the specification
        _number(stream, "I")  # its revision
        return dict(_variable(stream) for _ in range(_number(stream, "I")))


def _variable(stream: BinaryIO) -> tuple[str, NDArray[np.generic]]:
    name = _string(stream)
    shape = [_number(stream, "I") for _ in range(_number(stream, "B"))]
    kind = _TYPES[_number(stream, "B")]
    return name, np.frombuffer(stream.read(_number(stream, "I")), kind).reshape(shape)


def _number(stream: BinaryIO, kind: str) -> int:
    (value,) = struct.unpack(f"<{kind}", stream.read(struct.calcsize(kind)))
    return int(value)


def _string(stream: BinaryIO) -> str:
    return stream.read(_number(stream, "H"))[:-1].decode()


def _layers(variables: dict[str, NDArray[np.generic]], part: str) -> int:
    return len({name.split("/")[1] for name in variables if name.startswith(f"{part}/layer_") and "/ffn/" in name})


def _renamed(variables: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Returns the arrays by their names in transformers, with the fused ones split again."""
    linear, norm = {"weight": "weight", "bias": "bias"}, {"weight": "gamma", "bias": "beta"}
    embeddings = variables["decoder/embeddings/weight"]
    state = {"model.decoder.embed_tokens.weight": embeddings, "proj_out.weight": embeddings}

    def take(name: str, old: str, kinds: dict[str, str]) -> None:
        state.update({f"model.{name}.{kind}": variables[f"{old}/{old_kind}"] for kind, old_kind in kinds.items()})

    def attention(name: str, old: str, projections: int) -> None:
        """Takes an attention whose query, key and value lie in `projections` linears."""
        weights, biases = (
            np.concatenate([variables[f"{old}/linear_{i}/{kind}"] for i in range(projections)])
            for kind in ("weight", "bias")
        )
        for part, weight, bias in zip("qkv", np.split(weights, 3), np.split(biases, 3), strict=True):
            state[f"model.{name}.{part}_proj.weight"] = weight
            if part != "k":  # Whisper's keys have no bias; CTranslate2 keeps zeros
                state[f"model.{name}.{part}_proj.bias"] = bias
        take(f"{name}.out_proj", f"{old}/linear_{projections}", linear)

    for convolution in ("conv1", "conv2"):
        take(f"encoder.{convolution}", f"encoder/{convolution}", linear)
    for part in ("encoder", "decoder"):
        take(f"{part}.embed_positions", f"{part}/position_encodings", {"weight": "encodings"})
        take(f"{part}.layer_norm", f"{part}/layer_norm", norm)
        for i in range(_layers(variables, part)):
            name, old = f"{part}.layers.{i}", f"{part}/layer_{i}"
            attention(f"{name}.self_attn", f"{old}/self_attention", projections=1)
            if part == "decoder":
                attention(f"{name}.encoder_attn", f"{old}/attention", projections=2)
                take(f"{name}.encoder_attn_layer_norm", f"{old}/attention/layer_norm", norm)
            for new, where in _NORMS.items():
                take(f"{name}.{new}", f"{old}/{where}", norm)
            for new, where in _LINEARS.items():
                take(f"{name}.{new}", f"{old}/{where}", linear)
    return state
