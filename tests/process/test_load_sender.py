"""The sending process of the load generator when its parent goes away."""

from __future__ import annotations

import subprocess
import sys

import pytest

from checkout import ROOT


@pytest.mark.parametrize("order", [b"", b'{"address": "ipc:///'])
def test_a_sender_whose_parent_goes_before_its_order_is_complete_ends_without_a_word(order: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load.sending.sender"],
        input=order,
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
