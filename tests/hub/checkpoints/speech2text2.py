"""A wav2vec 2.0 encoder and a Speech2Text2 decoder of some ten thousand weights, for transformers 4.46."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.hub.checkpoints.xlsr import WORDS, encoder


def save(folder: Path) -> None:
    """Writes a model folder as facebook/s2t-wav2vec2-large-en-de has it."""
    import torch
    from transformers import (
        Speech2Text2Config,
        Speech2Text2ForCausalLM,
        Speech2Text2Tokenizer,
        SpeechEncoderDecoderModel,
        Wav2Vec2FeatureExtractor,
    )

    folder.mkdir()
    vocabulary = {token: number for number, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    Speech2Text2Tokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    torch.manual_seed(0)
    decoder = Speech2Text2ForCausalLM(
        Speech2Text2Config(
            vocab_size=len(vocabulary), d_model=32, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=64,
            add_cross_attention=True, max_target_positions=256, init_std=0.5,
        )
    )  # fmt: skip
    joined = SpeechEncoderDecoderModel(encoder=encoder(), decoder=decoder)
    for config in (joined.config, joined.generation_config):
        config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 1, 2
    joined.save_pretrained(folder)


if __name__ == "__main__":
    save(Path(sys.argv[1]))
