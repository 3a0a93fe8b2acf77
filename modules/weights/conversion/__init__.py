"""Rewrites weights so that they run faster here: GGUF and transformers to CTranslate2, and ONNX graphs.

Each conversion runs as ``python -m modules.weights.conversion.NAME SOURCE FOLDER``, a process of its own, so that its
memory is freed when it ends. The conversions know nothing of catalogues, folders and records. Imports nothing of the
project.
"""
