"""Vocoders for ESPnet voices: mel spectrogram in, waveform out. Each can replace ``Text2Speech.vocoder``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import ConfigError, MissingWeights
from modules.espnet.files import load_tensors, read_yaml

if TYPE_CHECKING:
    from torch import Tensor

_QUIETEST = 1e-10


class GriffinLim:
    """Finds phases that fit the spectrogram, beginning with random ones.

    Methods: Griffin and Lim, 1984; Perraudin et al., 2013. This one runs in torch. ESPnet's own, which is librosa's,
    compiles for seconds in every new process and takes no seed.

    Args:
        feats_extract: the voice's own extractor of mel spectrograms, whose matrix is inverted.
        iterations: more iterations sound less metallic; 8 is ESPnet's default.

    Raises:
        ConfigError: the voice does not write mel spectrograms.
    """

    def __init__(self, feats_extract: Any, iterations: int) -> None:
        import torch

        if not hasattr(feats_extract, "logmel"):
            raise ConfigError("griffin_lim needs a voice that writes mel spectrograms; name the folder of a vocoder")
        found = feats_extract.get_parameters()
        self.fs: int = found["fs"]
        self._base = feats_extract.logmel.log_base or torch.e
        self._bins = torch.linalg.pinv(feats_extract.logmel.melmat.float()).T
        self._hop, self._fft = found["n_shift"], found["n_fft"]
        width = found["win_length"] or self._fft
        window = torch.signal.windows.__dict__.get(found["window"] or "hann", torch.signal.windows.hann)
        self._window = window(width, sym=False, device=self._bins.device)
        self._iterations = iterations

    def __call__(self, mel: Tensor) -> Tensor:
        """Turns a log mel spectrogram (frames, bands) into samples ((frames - 1) × hop,), with torch's generator."""
        import torch
        from torchaudio.functional import griffinlim

        magnitudes = (self._bins @ self._base ** mel.float().T).clamp_min(_QUIETEST)
        # The transform reflects half a window at both ends, and needs as many frames.
        fewest = self._fft // (2 * self._hop) + 2
        padded = torch.nn.functional.pad(magnitudes, (0, max(0, fewest - len(mel))), value=_QUIETEST)
        wave: Tensor = griffinlim(
            padded,
            window=self._window,
            n_fft=self._fft,
            hop_length=self._hop,
            win_length=len(self._window),
            power=1.0,
            n_iter=self._iterations,
            momentum=0.99,
            length=None,
            rand_init=True,
        )
        return wave[: max(1, len(mel) - 1) * self._hop]


class ParallelWaveGAN:
    """A vocoder of https://github.com/kan-bayashi/ParallelWaveGAN, with any of its generators.

    Args:
        folder: holds ``config.yml`` and one ``.pkl`` checkpoint, for a voice with the same features.
        device: ``cpu`` or ``cuda``.

    Raises:
        ConfigError: the package is not installed.
        WeightsError: a file is missing, or holds more than tensors and plain values.
    """

    def __init__(self, folder: Path, device: str) -> None:
        import scipy.signal

        # parallel_wavegan 0.6.1 looks for it in the place that it had until SciPy 1.13.
        scipy.signal.kaiser = scipy.signal.windows.kaiser
        try:
            from parallel_wavegan.utils import load_model
        except ImportError as error:
            raise ConfigError(f"parallel_wavegan is not installed ({error}); run `make hub`") from error
        checkpoints = sorted(folder.glob("*.pkl"))
        if len(checkpoints) != 1:
            raise MissingWeights(f"{folder} has {len(checkpoints)} .pkl checkpoints; a vocoder's folder has one")
        config = read_yaml(folder / "config.yml", folder)
        load_tensors(checkpoints[0], folder)  # load_model unpickles: only what passes here is safe for it
        model = load_model(str(checkpoints[0]), config)
        if hasattr(model, "remove_weight_norm"):
            model.remove_weight_norm()
        self.fs: int = config["sampling_rate"]
        self._model = model.to(device).eval()
        self._normalises = hasattr(model, "mean")

    def __call__(self, mel: Tensor) -> Tensor:
        """Turns a log mel spectrogram (frames, bands) into samples (frames × hop,), some with torch's generator."""
        wave: Tensor = self._model.inference(mel.float(), normalize_before=self._normalises).view(-1)
        return wave
