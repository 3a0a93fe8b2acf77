"""Names of models on a hub, and the files of one that are wanted."""

from __future__ import annotations

import pytest

from modules.weights import HubId
from modules.weights.hub.download import chosen


def test_pickled_weights_are_taken_only_where_there_are_no_others():
    assert chosen(["pytorch_model.bin", "tf_model.h5", "source.spm"]) == ["pytorch_model.bin", "source.spm"]


@pytest.mark.parametrize("text", ["kokoro-82m-onnx", "./some/ear", "/some/ear", "a/b/c", "some/ear@", "../ear"])
def test_what_is_no_hubs_name_is_told_apart(text):
    assert HubId.parse(text) is None
