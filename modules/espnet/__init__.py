"""ESPnet voices: Chinese text to Chinese speech. `tts` is the stage; the other files open and import what it needs."""
