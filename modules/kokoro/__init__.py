"""Kokoro: Chinese text to Chinese speech. `voice` is the module; `network` runs the model, for any language."""
