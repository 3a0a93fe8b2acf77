"""ESPnet voices: Chinese text to Chinese speech. `tts` is the module.

`files` reads a voice's folder, `vocoders` turn its spectrograms into sound, and `lean_import` imports ESPnet fast.
"""
