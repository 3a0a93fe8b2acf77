"""An ESPnet Tacotron 2 of some ten thousand weights, in the folder structure of the hub, and a Parallel WaveGAN."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import yaml

from modules.espnet.lean_import import unchecked_types, without_english

# The training folder that kan-bayashi's configurations name.
_EXPERIMENT = "exp/tts_train_tacotron2_raw_phn_pypinyin_g2p_phone"
_STATS = "exp/tts_stats_raw_phn_pypinyin_g2p_phone/train/feats_stats.npz"
_RATE, _FFT, _HOP, _BANDS = 24_000, 2048, 300, 80


def save(folder: Path) -> None:
    """Writes a voice as espnet/kan-bayashi_csmsc_tts_train_tacotron2_… has it, without the sound u4 as in 兔.

    In it is the folder ``vocoder``, a Parallel WaveGAN.
    """
    import torch

    with unchecked_types(), without_english():  # as the module imports it: a process has one ESPnet
        from espnet2.tasks.tts import TTSTask

    experiment = folder / _EXPERIMENT
    experiment.mkdir(parents=True)
    stats = folder / _STATS
    stats.parent.mkdir(parents=True)
    random = np.random.default_rng(0)
    np.savez(stats, count=np.array(100), sum=np.full(_BANDS, -200.0), sum_square=500 + random.random(_BANDS))
    config = TTSTask.get_default_config()
    config.update(
        token_list=["<blank>", "<unk>", *"，。？！", *_sounds(), "<sos/eos>"], token_type="phn",
        g2p="pypinyin_g2p_phone", cleaner=None,
        use_preprocessor=True, odim=None, feats_extract="fbank",
        feats_extract_conf={
            "fs": _RATE, "n_fft": _FFT, "hop_length": _HOP, "win_length": 1200, "fmin": 80, "fmax": 7600,
            "n_mels": _BANDS,
        },
        normalize="global_mvn", normalize_conf={"stats_file": str(stats)}, tts="tacotron2",
        tts_conf={
            "embed_dim": 32, "elayers": 1, "eunits": 32, "econv_layers": 1, "econv_chans": 32, "econv_filts": 5,
            "atype": "location", "adim": 16, "aconv_chans": 4, "aconv_filts": 5, "cumulate_att_w": True, "dlayers": 1,
            "dunits": 32, "prenet_layers": 1, "prenet_units": 16, "postnet_layers": 1, "postnet_chans": 16,
            "postnet_filts": 5, "output_activation": None, "use_batch_norm": True, "use_concate": True,
            "use_residual": False, "reduction_factor": 1,
        },
    )  # fmt: skip
    torch.manual_seed(0)
    model = TTSTask.build_model(argparse.Namespace(**config))
    torch.save(model.state_dict(), experiment / "train.loss.best.pth")
    config["normalize_conf"] = {"stats_file": _STATS}
    (experiment / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    meta = {
        "espnet": "0.8.0",
        "files": {"model_file": f"{_EXPERIMENT}/train.loss.best.pth"},
        "yaml_files": {"train_config": f"{_EXPERIMENT}/config.yaml"},
    }
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta))
    _build_vocoder(folder / "vocoder")


def _build_vocoder(folder: Path) -> None:
    """Writes a vocoder as parallel_wavegan's pretrained models are packed."""
    import scipy.signal
    import torch

    scipy.signal.kaiser = scipy.signal.windows.kaiser  # parallel_wavegan 0.6.1 looks for it there
    from parallel_wavegan.models import ParallelWaveGANGenerator

    folder.mkdir()
    parameters = {
        "in_channels": 1, "out_channels": 1, "kernel_size": 3, "layers": 4, "stacks": 2, "residual_channels": 8,
        "gate_channels": 16, "skip_channels": 8, "aux_channels": _BANDS, "aux_context_window": 0, "dropout": 0.0,
        "use_weight_norm": True, "upsample_net": "ConvInUpsampleNetwork",
        "upsample_params": {"upsample_scales": [4, 5, 3, 5]},
    }  # fmt: skip
    config = {
        "sampling_rate": _RATE, "generator_type": "ParallelWaveGANGenerator", "hop_size": _HOP, "format": "npy",
        "generator_params": parameters,
    }  # fmt: skip
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    torch.manual_seed(0)
    generator = ParallelWaveGANGenerator(**parameters)
    torch.save({"model": {"generator": generator.state_dict()}, "steps": 1}, folder / "checkpoint-1steps.pkl")
    np.save(folder / "stats.npy", np.stack([np.zeros(_BANDS), np.ones(_BANDS)]))


def _sounds() -> list[str]:
    """Every initial and toned final that pypinyin has, but u4."""
    from pypinyin import Style, pinyin
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.style._utils import get_finals, get_initials

    sounds = set()
    for code in PINYIN_DICT:
        syllable = pinyin(chr(code), style=Style.TONE3)[0][0]
        sounds.add(get_initials(syllable, strict=True))
        if syllable[-1].isdigit():
            sounds.add(get_finals(syllable[:-1], strict=True) + syllable[-1])
        else:
            sounds.add(get_finals(syllable, strict=True))
    return sorted(sound for sound in sounds - {"", "u4"} if not sound.isdigit())
