from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load.figures.samples import RequestSample, SpanSample, read_samples, write_samples
from errors import ConfigError

TIMES = st.floats(0, 1e6)
SPANS = st.builds(
    SpanSample,
    stage=st.text(max_size=8),
    path=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    attempt=st.integers(1, 3),
    replica=st.text(max_size=8),
    start_s=TIMES,
    queue_s=TIMES,
    service_s=TIMES,
    busy_s=TIMES,
    batch=st.integers(1, 8),
)
SAMPLES = st.builds(
    RequestSample,
    trial=st.integers(0, 9),
    number=st.integers(0, 10**6),
    clip=st.text(max_size=8),
    clip_s=TIMES,
    warm_up=st.booleans(),
    scheduled_s=TIMES,
    sent_s=TIMES,
    first_audio_s=st.none() | TIMES,
    end_s=TIMES,
    outcome=st.sampled_from(["ok", "rejected", "expired", "cancelled", "failed", "dead_letter"]),
    error=st.text(max_size=20),
    retry_after_s=TIMES,
    spans=st.lists(SPANS, max_size=3).map(tuple),
)


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.parquet"])
@given(samples=st.lists(SAMPLES, max_size=5))
def test_samples_come_back_as_they_were_written(tmp_path_factory, name, samples):
    path = tmp_path_factory.mktemp("samples") / name
    write_samples(path, samples)
    assert read_samples(path) == samples


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.jsonl or \.parquet"):
        write_samples(tmp_path / "samples.csv", [])


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.parquet"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text('{"hello": 1}')
    with pytest.raises(ConfigError, match="holds no samples"):
        read_samples(path)
    path.unlink()
    with pytest.raises(ConfigError, match="holds no samples"):
        read_samples(path)
