from __future__ import annotations

import subprocess
import sys

import pytest

from checkout import ROOT

SCRIPT = ROOT / "requirements" / "cpu_torchaudio.py"


@pytest.mark.parametrize(("cuda", "left"), [("None", ["prefix.py"]), ("'13.0'", ["libtorchaudio.so", "prefix.py"])])
def test_the_libraries_that_need_cuda_go_only_where_torch_has_none(tmp_path, cuda, left):
    for file, content in (
        ("torch/version.py", f"cuda: str | None = {cuda}\n"),
        ("torchaudio/lib/libtorchaudio.so", ""),
        ("torchaudio/lib/prefix.py", ""),
    ):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)

    assert sorted(path.name for path in (tmp_path / "torchaudio" / "lib").iterdir()) == left
