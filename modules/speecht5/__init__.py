"""SpeechT5: English text to English speech. `tts` is the stage, `speaker_embedding` finds the voice it speaks with."""
