"""Kokoro: Chinese text to Chinese speech. `voice` is the stage, `network` the model that any language could use."""
