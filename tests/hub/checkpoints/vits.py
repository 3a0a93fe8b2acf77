"""A VitsModel of a few thousand weights, with a tokenizer of German letters."""

from __future__ import annotations

import json
from pathlib import Path

LETTERS = " abcdefghijklmnopqrstuvwxyzäöüß'-"


def save(folder: Path) -> None:
    """Writes a model folder as facebook/mms-tts-deu has it."""
    import torch
    from transformers import VitsConfig, VitsModel, VitsTokenizer

    folder.mkdir()
    vocabulary = {char: number for number, char in enumerate(f"_{LETTERS}")}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    file = str(folder / "vocab.json")
    VitsTokenizer(file, pad_token="_", unk_token=" ", language="deu", phonemize=False).save_pretrained(folder)
    torch.manual_seed(0)
    config = VitsConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, window_size=4,
        ffn_dim=32, flow_size=16, spectrogram_bins=65, prior_encoder_num_flows=2, prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1, duration_predictor_filter_channels=16, duration_predictor_num_flows=2,
        upsample_initial_channel=32, upsample_rates=[8, 8, 4], upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]], wavenet_kernel_size=3, wavenet_dilation_rate=1,
        depth_separable_channels=2, depth_separable_num_layers=2,
    )  # fmt: skip
    VitsModel(config).save_pretrained(folder)
