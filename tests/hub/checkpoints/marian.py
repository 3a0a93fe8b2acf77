"""A Marian from English to Chinese with sentencepiece models of a few lines and random weights."""

from __future__ import annotations

import json
from pathlib import Path

ENGLISH = [
    "Good morning, what time does the pharmacy open?",
    "The train leaves in ten minutes.",
    "It rains in the north.",
]
CHINESE = ["早上好，药店几点开门？", "火车十分钟后开。", "北方正在下雨。", "今天天气很好，我们去学校。"]


def save(folder: Path, target: list[str] = CHINESE) -> Path:
    """Writes a model folder as Helsinki-NLP/opus-mt-en-zh has it."""
    import torch
    from transformers import GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer

    folder.mkdir(parents=True)
    vocabulary = {"</s>": 0, "<unk>": 1}
    pieces = {}
    for side, lines in (("source", ENGLISH), ("target", target)):
        pieces[side] = _sentencepiece(lines, folder / f"{side}.spm")
        for piece in pieces[side]:
            vocabulary.setdefault(piece, len(vocabulary))
    pad = vocabulary.setdefault("<pad>", len(vocabulary))
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    MarianTokenizer(
        source_spm=str(folder / "source.spm"),
        target_spm=str(folder / "target.spm"),
        vocab=str(folder / "vocab.json"),
        source_lang="en",
        target_lang="zh",
    ).save_pretrained(folder)

    ends = {"pad_token_id": pad, "decoder_start_token_id": pad, "eos_token_id": 0, "forced_eos_token_id": 0}
    torch.manual_seed(1)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(vocabulary),
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_position_embeddings=128,
            init_std=0.5,  # so far from zero that another input makes another text
            tie_word_embeddings=False,  # tied, an untrained decoder repeats the first token for ever
            **ends,
        )
    )
    torch.manual_seed(9)
    torch.nn.init.normal_(model.lm_head.weight, std=0.5)
    unwritten = [[i] for piece, i in vocabulary.items() if piece not in pieces["target"] and i != 0]
    model.generation_config = GenerationConfig(**ends, max_length=64, bad_words_ids=unwritten)
    model.eval().save_pretrained(folder)
    return folder


def _sentencepiece(lines: list[str], file: Path) -> list[str]:
    """Trains a sentencepiece model of characters; returns its pieces."""
    import sentencepiece

    prefix = file.with_suffix("")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(prefix), model_type="char", vocab_size=60,
        hard_vocab_limit=False, character_coverage=1.0, minloglevel=2,
    )  # fmt: skip
    prefix.with_suffix(".model").rename(file)
    prefix.with_suffix(".vocab").unlink()
    model = sentencepiece.SentencePieceProcessor(model_file=str(file))
    return [
        model.id_to_piece(i)
        for i in range(model.get_piece_size())
        if not model.is_control(i) and not model.is_unknown(i)
    ]
