"""A SpeechT5, its HiFi-GAN and an x-vector encoder of a few thousand weights each, and a table of speakers."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np

SPEAKER_SIZE = 16


def save(folder: Path) -> None:
    """Writes a model folder as microsoft/speecht5_tts has it; in it, the folders ``vocoder`` and ``encoder`` and
    speakers.npy, a table of three vectors."""
    import sentencepiece
    import torch
    from transformers import (
        SpeechT5Config,
        SpeechT5ForTextToSpeech,
        SpeechT5HifiGan,
        SpeechT5HifiGanConfig,
        SpeechT5Tokenizer,
        Wav2Vec2FeatureExtractor,
        WavLMConfig,
        WavLMForXVector,
    )

    folder.mkdir()
    lines = [string.ascii_letters, "the quick brown fox jumps over the lazy dog", ".,!?'-"] * 9
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(folder / "spm_char"), model_type="char", vocab_size=80,
        hard_vocab_limit=False, bos_id=0, pad_id=1, eos_id=2, unk_id=3, minloglevel=2,
    )  # fmt: skip
    tokenizer = SpeechT5Tokenizer(str(folder / "spm_char.model"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = SpeechT5ForTextToSpeech(
        SpeechT5Config(
            vocab_size=len(tokenizer), hidden_size=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, speech_decoder_prenet_units=16,
            speech_decoder_postnet_units=16, speech_decoder_postnet_layers=2, speaker_embedding_dim=SPEAKER_SIZE,
            num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, conv_dim=(16, 16), conv_stride=(5, 2),
            conv_kernel=(10, 3), max_speech_positions=2000, max_text_positions=300,
        )
    )  # fmt: skip
    model.speech_decoder_postnet.prob_out.bias.data.fill_(-1)  # ends at the default threshold, but not at a high one
    model.save_pretrained(folder)
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=80, upsample_initial_channel=32, upsample_rates=[4, 4, 4, 4],
            upsample_kernel_sizes=[8, 8, 8, 8], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]],
            initializer_range=0.2,  # audible
        )
    )  # fmt: skip
    vocoder.save_pretrained(folder / "vocoder")
    WavLMForXVector(
        WavLMConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(16, 16, 16),
            conv_stride=(5, 4, 4), conv_kernel=(10, 8, 8), num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2, tdnn_dim=(16, 16, 16), tdnn_kernel=(3, 3, 1), tdnn_dilation=(1, 1, 1),
            xvector_output_dim=SPEAKER_SIZE,
        )
    ).save_pretrained(folder / "encoder")  # fmt: skip
    Wav2Vec2FeatureExtractor().save_pretrained(folder / "encoder")
    np.save(folder / "speakers.npy", np.random.default_rng(0).standard_normal((3, SPEAKER_SIZE)).astype(np.float32))
