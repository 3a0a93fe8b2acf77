"""SpeechT5: English text to English speech. `tts` is the module, `speaker_embedding` reads or computes its voice."""
