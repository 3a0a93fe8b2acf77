"""A wav2vec 2.0 encoder and an mBART decoder of some ten thousand weights, joined in a SpeechEncoderDecoderModel."""

from __future__ import annotations

from pathlib import Path

_STEMS = ("haus", "morgen", "tag", "wasser", "brot", "heute", "gehen", "kommen", "zeit", "gut", "nicht", "wir", "licht")
_ENDINGS = ("", "e", "en", "er", "es", "em", "lich", "ung", "heit", "bar")
WORDS = [stem + ending for stem in _STEMS for ending in _ENDINGS]


def save(folder: Path) -> None:
    """Writes a model folder as facebook/wav2vec2-xls-r-300m-en-to-15 has it."""
    import torch
    from transformers import (
        MBart50Tokenizer,
        MBartConfig,
        MBartForCausalLM,
        SpeechEncoderDecoderModel,
        Wav2Vec2FeatureExtractor,
    )

    specials = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [(f"▁{word}", -float(rank)) for rank, word in enumerate(WORDS, 1)]
    tokenizer = MBart50Tokenizer(vocab=[*specials, *pieces], src_lang="en_XX", tgt_lang="de_DE")
    tokenizer.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    torch.manual_seed(0)
    decoder = MBartForCausalLM(
        MBartConfig(
            vocab_size=len(tokenizer), d_model=32, decoder_layers=1, encoder_layers=1, decoder_attention_heads=2,
            encoder_attention_heads=2, decoder_ffn_dim=64, is_decoder=True, add_cross_attention=True,
            max_position_embeddings=256, is_encoder_decoder=False, init_std=0.35,
        )
    )  # fmt: skip
    joined = SpeechEncoderDecoderModel(encoder=encoder(add_adapter=True, output_hidden_size=32), decoder=decoder)
    for config in (joined.config, joined.generation_config):
        config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 1, 2
    written = {2, *tokenizer.convert_tokens_to_ids([f"▁{word}" for word in WORDS])}
    joined.generation_config.bad_words_ids = [[i] for i in range(len(tokenizer)) if i not in written]
    joined.save_pretrained(folder)


def encoder(**keywords: object) -> object:
    """A tiny Wav2Vec2Model, normalised by layers as the large ones are, so that padding changes nothing."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    return Wav2Vec2Model(
        Wav2Vec2Config(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, conv_dim=(16, 16, 16),
            conv_stride=(5, 4, 4), conv_kernel=(10, 8, 8), num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
            feat_extract_norm="layer", do_stable_layer_norm=True, mask_time_prob=0.0, num_adapter_layers=1,
            initializer_range=0.3, **keywords,
        )
    )  # fmt: skip
