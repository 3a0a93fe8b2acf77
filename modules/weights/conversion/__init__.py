"""Weights that are rewritten on this machine so that they run faster: GGUF, transformers and ONNX graphs.

Each conversion runs as ``python -m modules.weights.conversion.NAME SOURCE FOLDER``, so that its memory goes back to
the system.
"""
