"""Converts a Qwen2 language model from GGUF to a CTranslate2 int8 generator with its tokenizer.

``python -m modules.weights.conversion.gguf_to_ct2 SOURCE.gguf FOLDER`` writes ``model.bin``, ``config.json``,
``vocabulary.json`` and ``tokenizer.json`` to FOLDER.

The same source gives the same bytes every time: blocks are dequantised and quantised again element by element, row
by row, with no reduction whose order could vary.

Sources: the GGUF specification of the ggml project (key names and quantisation types), CTranslate2's
``TransformerDecoderModelSpec``, and the tokenizer of the Qwen2.5 model card.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules.weights.conversion.gguf_file import GgufFile

# Qwen2's pre-tokeniser: words with their leading space or sign, single digits, punctuation, line ends, spaces.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONTROL_TOKEN = 3  # gguf's TokenType.CONTROL
ELEMENTS_AT_ONCE = 1 << 22  # 16 MiB of float32: bounds the memory, whatever the size of a tensor

Weights = tuple[NDArray[np.int8], NDArray[np.float32]]


def int8(gguf: GgufFile, name: str) -> Weights:
    """Quantises a matrix: int8 of shape (rows, columns) and a float32 scale for each row; value = int8 / scale."""
    rows, columns = gguf.tensors[name].shape
    values = np.empty((rows, columns), np.int8)
    scales = np.empty(rows, np.float32)
    step = max(1, ELEMENTS_AT_ONCE // columns)
    for start in range(0, rows, step):
        block = gguf.rows(name, start, step)
        largest = np.abs(block).max(axis=1)
        largest[largest == 0] = 127.0
        scale = 127.0 / largest
        block *= scale[:, None]
        values[start : start + step] = np.rint(block, out=block)
        scales[start : start + step] = scale
    return values, scales


def convert(source: Path, folder: Path) -> None:
    """Writes the CTranslate2 model and the tokenizer of ``source`` to ``folder``, which must exist.

    Raises:
        KeyError: a field or tensor of a Qwen2 model is missing.
    """
    with GgufFile(source) as gguf:
        _save_model(gguf, folder)
        _save_tokenizer(gguf.fields, folder)


def _save_model(gguf: GgufFile, folder: Path) -> None:
    from ctranslate2.specs import common_spec, transformer_spec  # type: ignore[import-untyped]

    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        gguf.fields["qwen2.block_count"],
        gguf.fields["qwen2.attention.head_count"],
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
        rotary_base=float(gguf.fields["qwen2.rope.freq_base"]),
        num_heads_kv=gguf.fields["qwen2.attention.head_count_kv"],
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    # Small Qwen2 models tie input and output embeddings. If a file holds both, the output copy is more precise.
    embeddings = int8(gguf, "output.weight" if "output.weight" in gguf.tensors else "token_embd.weight")
    decoder.embeddings.weight, decoder.embeddings.weight_scale = embeddings
    decoder.projection.weight = embeddings[0]
    decoder.layer_norm.gamma = gguf.vector("output_norm.weight")
    for index, layer in enumerate(decoder.layer):
        block = f"blk.{index}."
        attention = layer.self_attention
        attention.layer_norm.gamma = gguf.vector(block + "attn_norm.weight")
        layer.ffn.layer_norm.gamma = gguf.vector(block + "ffn_norm.weight")
        _set_linear(attention.linear[0], gguf, *(block + name for name in ("attn_q", "attn_k", "attn_v")))
        _set_linear(attention.linear[1], gguf, block + "attn_output")
        _set_linear(layer.ffn.linear_0, gguf, block + "ffn_gate")
        _set_linear(layer.ffn.linear_0_noact, gguf, block + "ffn_up")
        _set_linear(layer.ffn.linear_1, gguf, block + "ffn_down")

    spec.register_vocabulary(gguf.fields["tokenizer.ggml.tokens"])
    spec.config.bos_token = spec.config.unk_token = "<|endoftext|>"
    spec.config.eos_token = "<|im_end|>"
    spec.config.layer_norm_epsilon = float(gguf.fields["qwen2.attention.layer_norm_rms_epsilon"])
    spec.validate()
    # An alias is a string in place of an array, which validate() refuses, so it is set afterwards.
    decoder.projection.weight = "decoder/embeddings/weight"
    spec.save(str(folder))


def _set_linear(linear: Any, gguf: GgufFile, *names: str) -> None:
    """Fills one linear layer. Several matrices are stacked, such as query, key and value."""
    matrices = [int8(gguf, name + ".weight") for name in names]
    linear.weight = np.concatenate([values for values, _ in matrices])
    linear.weight_scale = np.concatenate([scales for _, scales in matrices])
    if names[0] + ".bias" in gguf.tensors:
        linear.bias = np.concatenate([gguf.vector(name + ".bias") for name in names])


def _save_tokenizer(fields: dict[str, Any], folder: Path) -> None:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    types = fields["tokenizer.ggml.token_type"]
    # Tokens such as "[PAD151665]" only fill the table up to the size of the embedding.
    controls = [t for t, kind in zip(tokens, types, strict=True) if kind == CONTROL_TOKEN and not t.startswith("[PAD")]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in controls])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
