"""A BarkModel of a few thousand weights besides its tables of tokens, with a tokenizer and two presets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

PRESETS = ("v2/en_speaker_6", "v2/zh_speaker_3")
# The networks' vocabularies, which the offsets of Bark's tokens are counted in.
_SEMANTIC_OUT, _COARSE, _FINE, _TEXT = 10_048, 12_096, 1_056, 129_600


def save(folder: Path) -> None:
    """Writes a model folder as suno/bark-small has it."""
    import torch
    from transformers import BarkConfig, BarkModel, BarkProcessor, BertTokenizer, EncodecConfig, GenerationConfig
    from transformers.models.bark import configuration_bark as sizes
    from transformers.models.bark import generation_configuration_bark as settings

    folder.mkdir()
    chars = [chr(c) for c in range(33, 127)] + list("今天气很好我们去公园你再见，。！？")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *chars, *(f"##{c}" for c in chars)]
    (folder / "vocab.txt").write_text("\n".join(words))
    presets = {name: _preset(folder, name, seed) for seed, name in enumerate(PRESETS)}
    (folder / "speaker_embeddings_path.json").write_text(json.dumps({"repo_or_path": "suno/bark-small", **presets}))
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    BarkProcessor(tokenizer).save_pretrained(folder)

    torch.manual_seed(0)
    size = {"block_size": 1024, "hidden_size": 16, "num_layers": 1, "num_heads": 2}
    model = BarkModel(
        BarkConfig(
            semantic_config=sizes.BarkSemanticConfig(
                **size, input_vocab_size=_TEXT, output_vocab_size=_SEMANTIC_OUT
            ).to_dict(),
            coarse_acoustics_config=sizes.BarkCoarseConfig(
                **size, input_vocab_size=_COARSE, output_vocab_size=_COARSE
            ).to_dict(),
            fine_acoustics_config=sizes.BarkFineConfig(
                **size, input_vocab_size=_FINE, output_vocab_size=_FINE, n_codes_total=8, n_codes_given=1
            ).to_dict(),
            codec_config=EncodecConfig(
                target_bandwidths=[1.5, 3.0, 6.0], num_filters=4, hidden_size=16, codebook_dim=16,
                upsampling_ratios=[8, 5, 4, 2], num_lstm_layers=1,
            ).to_dict(),
        )
    )  # fmt: skip
    for network in (model.semantic, model.coarse_acoustics):  # so far from zero that another text sounds different
        for weight in [*network.layers.parameters(), *network.lm_head.parameters()]:
            weight.data.mul_(20 if weight.dim() > 1 else 1)
    for layer in model.codec_model.quantizer.layers:  # untrained they are zeros, and every code sounds the same
        layer.codebook.embed.normal_()
    generation = settings.BarkGenerationConfig(
        semantic_config=settings.BarkSemanticGenerationConfig(max_input_semantic_length=256).to_dict(),
        coarse_acoustics_config=settings.BarkCoarseGenerationConfig().to_dict(),
        fine_acoustics_config=settings.BarkFineGenerationConfig().to_dict(),
    )
    model.generation_config = GenerationConfig(**generation.to_dict())
    model.save_pretrained(folder)


def _preset(folder: Path, name: str, seed: int) -> dict[str, str]:
    random = np.random.default_rng(seed)
    prompts = {
        "semantic_prompt": random.integers(0, 10_000, 60),
        "coarse_prompt": random.integers(0, 1024, (2, 90)),
        "fine_prompt": random.integers(0, 1024, (8, 90)),
    }
    paths = {}
    for kind, prompt in prompts.items():
        paths[kind] = f"speaker_embeddings/{name}_{kind}.npy"
        (folder / paths[kind]).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / paths[kind], prompt)
    return paths
