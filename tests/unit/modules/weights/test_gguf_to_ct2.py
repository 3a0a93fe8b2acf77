"""A tiny Qwen2 in GGUF computes the same after its conversion, against a model written out in numpy."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from gguf import quants
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from modules.weights.conversion.gguf_file import GgufFile
from modules.weights.conversion.gguf_to_ct2 import convert

WIDTH, INNER, HEADS, HEADS_KV, LAYERS, BASE, EPSILON = 64, 96, 4, 2, 2, 10_000.0, 1e-6
HEAD = WIDTH // HEADS
CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENS = [*sorted(ByteLevel.alphabet()), "he", "ll", *CONTROLS, "[PAD1]"]
KINDS = {"attn_q": Kind.Q5_0, "ffn_down": Kind.Q4_0}  # the others are Q8_0

Weights = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    """The path of a GGUF file, and its tensors as floats."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(TOKENS), WIDTH), "output": (len(TOKENS), WIDTH)}
    for block in (f"blk.{index}." for index in range(LAYERS)):
        shapes |= {block + "attn_q": (WIDTH, WIDTH), block + "attn_output": (WIDTH, WIDTH)}
        shapes |= {block + name: (HEADS_KV * HEAD, WIDTH) for name in ("attn_k", "attn_v")}
        shapes |= {block + name: (INNER, WIDTH) for name in ("ffn_gate", "ffn_up")} | {
            block + "ffn_down": (WIDTH, INNER)
        }
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS_KV)
    writer.add_rope_freq_base(BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3 if token in CONTROLS or token == "[PAD1]" else 1 for token in TOKENS])
    writer.add_token_merges(["h e", "l l"])
    weights: Weights = {}
    for name, shape in shapes.items():
        kind = KINDS.get(name.split(".")[-1], Kind.Q8_0)
        stored = quants.quantize((random.standard_normal(shape) / np.sqrt(shape[1])).astype(np.float32), kind)
        weights[name + ".weight"] = quants.dequantize(stored, kind)
        writer.add_tensor(name + ".weight", stored, raw_dtype=kind)
    vectors = {"output_norm.weight": WIDTH}
    for block in (f"blk.{index}." for index in range(LAYERS)):
        vectors |= {block + "attn_norm.weight": WIDTH, block + "ffn_norm.weight": WIDTH, block + "attn_q.bias": WIDTH}
        vectors |= {block + "attn_k.bias": HEADS_KV * HEAD, block + "attn_v.bias": HEADS_KV * HEAD}
    for name, size in vectors.items():
        weights[name] = random.uniform(0.5, 1.5, size).astype(np.float32)
        writer.add_tensor(name, weights[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    weights["token_embd.weight"] = weights["output.weight"]
    return path, weights


@pytest.fixture(scope="module")
def converted(tiny: tuple[Path, Weights], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ct2")
    convert(tiny[0], folder)
    return folder


def qwen2_logits(weights: Weights, ids: list[int]) -> np.ndarray:
    """Qwen2 as its report describes it: pre-norm, rotary positions, grouped queries, gated SiLU."""

    def norm(x: np.ndarray, gamma: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * gamma

    def heads(x: np.ndarray, name: str, count: int) -> np.ndarray:
        y = x @ weights[name + ".weight"].T + weights[name + ".bias"]
        return y.reshape(len(ids), count, HEAD).transpose(1, 0, 2)

    def rotate(x: np.ndarray) -> np.ndarray:
        angles = np.outer(np.arange(len(ids)), BASE ** (-np.arange(0, HEAD, 2) / HEAD))
        cos, sin = np.cos(angles), np.sin(angles)
        first, second = x[..., : HEAD // 2], x[..., HEAD // 2 :]
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)

    x = weights["token_embd.weight"][ids]
    for block in (f"blk.{index}." for index in range(LAYERS)):
        y = norm(x, weights[block + "attn_norm.weight"])
        query = rotate(heads(y, block + "attn_q", HEADS))
        key = np.repeat(rotate(heads(y, block + "attn_k", HEADS_KV)), HEADS // HEADS_KV, axis=0)
        value = np.repeat(heads(y, block + "attn_v", HEADS_KV), HEADS // HEADS_KV, axis=0)
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(HEAD) + np.triu(np.full((len(ids),) * 2, -1e9), 1)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ value
        x = x + mixed.transpose(1, 0, 2).reshape(len(ids), WIDTH) @ weights[block + "attn_output.weight"].T
        y = norm(x, weights[block + "ffn_norm.weight"])
        gate = y @ weights[block + "ffn_gate.weight"].T
        up = y @ weights[block + "ffn_up.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[block + "ffn_down.weight"].T
    return norm(x, weights["output_norm.weight"]) @ weights["output.weight"].T


def test_converted_model_gives_the_logits_of_the_architecture(tiny: tuple[Path, Weights], converted: Path) -> None:
    ids = [3, 70, 258, 12, 200, 99]
    generator = ctranslate2.Generator(str(converted), compute_type="float32", intra_threads=1)
    logits = np.array(generator.forward_batch([[TOKENS[each] for each in ids]]))[0]
    expected = qwen2_logits(tiny[1], ids)
    assert np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.999


def test_tokenizer_keeps_every_character_and_every_control_token_whole(converted: Path) -> None:
    tokenizer = Tokenizer.from_file(str(converted / "tokenizer.json"))
    text = "héllo, 你好 42\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.encode("<|im_start|>hello<|im_end|>").tokens == ["<|im_start|>", "he", "ll", "o", "<|im_end|>"]
    assert "[PAD1]" not in tokenizer.encode("[PAD1]").tokens


def test_converting_twice_gives_the_same_bytes(tiny: tuple[Path, Weights], converted: Path, tmp_path: Path) -> None:
    convert(tiny[0], tmp_path)
    names = {path.name for path in converted.iterdir()}
    assert names == {"model.bin", "config.json", "vocabulary.json", "tokenizer.json"}
    assert all((tmp_path / name).read_bytes() == (converted / name).read_bytes() for name in names)


def test_rows_stop_at_the_end_of_the_matrix(tiny: tuple[Path, Weights]) -> None:
    path, weights = tiny
    with GgufFile(path) as file:
        np.testing.assert_array_equal(file.rows("output.weight", 250, 1000), weights["output.weight"][250:])


def test_file_that_is_not_gguf_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_text("not a model at all")
    with pytest.raises(ValueError, match=r"notes\.gguf is not a GGUF file"):
        GgufFile(path)
