"""A Whisper with every special token of the real one, whose random weights write letters and Chinese characters."""

from __future__ import annotations

import itertools
import string
from pathlib import Path

WORDS = [*string.ascii_lowercase, " ", *"你好今天气很我们去学校是不在有人大来上"]
DECODER_POSITIONS = 64
VOCABULARY = (
    51866  # by its size, and the empty piece before the special ones, CTranslate2 knows it is not English alone
)


def save(folder: Path) -> Path:
    """Writes a model folder as openai/whisper-large has it."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    folder.mkdir(parents=True)
    byte = bytes_to_unicode()
    spelled = ["".join(byte[each] for each in word.encode()) for word in WORDS]
    languages = [f"<|{code}|>" for code in LANGUAGES]
    tasks = ["<|translate|>", "<|transcribe|>"]
    special = ["<|endoftext|>", "<|startoftranscript|>", *languages, *tasks]
    special += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    times = [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
    pieces = list(dict.fromkeys([*byte.values(), *spelled]))
    pieces += [f"unused{i}" for i in range(VOCABULARY - len(pieces) - len(special) - len(times) - 1)]
    pieces.append("")
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[])
    tokenizer.add_special_tokens({"extra_special_tokens": special})
    tokenizer.add_tokens(times)
    processor = WhisperProcessor(feature_extractor=WhisperFeatureExtractor(feature_size=80), tokenizer=tokenizer)
    processor.save_pretrained(folder)

    token = tokenizer.convert_tokens_to_ids
    end, start = token("<|endoftext|>"), token("<|startoftranscript|>")
    ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    layers = dict(itertools.product(["encoder_layers", "decoder_layers"], [1]))
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    widths = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    torch.manual_seed(1)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer),
            max_target_positions=DECODER_POSITIONS,
            init_std=0.5,  # so far from zero that another prompt makes another text
            suppress_tokens=[],
            begin_suppress_tokens=[],
            **layers,
            **heads,
            **widths,
            **ends,
        )
    )
    written = {vocabulary[piece] for piece in spelled}
    model.generation_config = GenerationConfig(
        **ends,
        max_length=DECODER_POSITIONS,
        is_multilingual=True,
        lang_to_id={language: token(language) for language in languages},
        task_to_id={task.strip("<|>"): token(task) for task in tasks},
        no_timestamps_token_id=token("<|notimestamps|>"),
        prev_sot_token_id=token("<|startofprev|>"),
        suppress_tokens=[i for i in range(len(tokenizer)) if i not in written | {end}],
    )
    model.eval().save_pretrained(folder)
    return folder
