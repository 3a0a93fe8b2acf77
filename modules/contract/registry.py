"""Finds modules and their options by the names that configurations use.

Finding a module imports its file, but none of its heavy libraries.
"""

from __future__ import annotations

import importlib
from typing import Any

from pydantic import ValidationError

from errors import ConfigError
from modules.contract.module import Module, Options

MODULES = {
    "bark": "modules.bark:Bark",
    "espnet-tts": "modules.espnet.tts:EspnetTTS",
    "kokoro": "modules.kokoro.voice:Kokoro",
    "marian": "modules.marian.hf:Marian",
    "marian-ct2": "modules.marian.ct2:MarianCT2",
    "qwen-ct2": "modules.qwen:QwenTranslator",
    "speech-encoder-decoder": "modules.speech_encoder_decoder:SpeechEncoderDecoder",
    "speecht5": "modules.speecht5.tts:SpeechT5",
    "vits": "modules.vits:Vits",
    "whisper": "modules.whisper.hf:Whisper",
    "whisper-ct2": "modules.whisper.ct2:WhisperCT2",
}
"""Where the class of each module is, by the name of the module."""


def module_class(name: str) -> type[Module]:
    """Returns the class of a module.

    Args:
        name: a name of ``MODULES``, or ``package.file:Class`` for a module of the user's own.

    Raises:
        ConfigError: there is no such module, its file cannot be imported, or it is not a subclass of Module.
    """
    target = MODULES.get(name, name)
    file, colon, attribute = target.partition(":")
    if not colon:
        raise ConfigError(f"unknown module {name!r}; use one of {', '.join(sorted(MODULES))} or package.file:Class")
    try:
        found = getattr(importlib.import_module(file), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"cannot import module {name!r}: {error}; {_remedy(name, file, error)}") from error
    if not (isinstance(found, type) and issubclass(found, Module)):
        raise ConfigError(f"module {name!r} is not a subclass of modules.contract.module.Module")
    return found


def _remedy(name: str, file: str, error: Exception) -> str:
    """Says what to do about a module that cannot be imported."""
    if name in MODULES:
        return "install the packages that it needs: `make demo` for the offline models, `make hub` for the others"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and missing != file and not file.startswith(f"{missing}."):
        return f"install the package {missing.partition('.')[0]}, or run from the folder that holds it"
    return "run from the folder that holds it, or add that folder to PYTHONPATH"


def module_options(name: str, options: dict[str, Any]) -> Options:
    """Validates the options of a module, as in ``module_options("kokoro", {"speed": 1.2})``.

    Args:
        name: as in ``module_class``.
        options: values by key.

    Raises:
        ConfigError: an option is unknown or has a wrong value. The message names it, and all options of the module.
    """
    kind = module_class(name).options_type
    try:
        return kind(**options)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']} (value {problem['input']!r})"
            for problem in error.errors()
        )
        known = ", ".join(kind.model_fields) or "none"
        raise ConfigError(f"options of module {name!r}: {problems}; its options are: {known}") from error
