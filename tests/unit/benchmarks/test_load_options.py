"""The arguments of `relevo load`, checked before anything starts."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.load import command
from benchmarks.load.formatting import duration_text
from benchmarks.load.options import load_options
from errors import ConfigError


def parse(*arguments):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["load", *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "pass --rate"),
        (["--rate", "0"], "--rate 0"),
        (["--rate", "1", "--requests", "0"], "--requests 0"),
        (["--rate", "1", "--seconds", "-1"], "--seconds -1"),
        (["--rate", "1", "--warm-up", "1m"], "--warm-up '1m'"),
        (["--rate", "1", "--requests", "5", "--warm-up", "5"], "0 requests would be measured"),
        (["--rate", "1", "--requests", "999", "--slo", "p99=1s"], "999 requests would be measured"),
        (["--rate", "1", "--samples", "samples.csv"], "samples.csv"),
        (["--rate", "1", "--arrivals", "ramp:2", "--requests", "9"], "pass --seconds"),
        (["--arrivals", "closed:2", "--rate", "1"], "a closed loop has no rate"),
        (["--find-peak", "--rate", "1"], "--slo p95=4s"),
        (["--find-peak", "--slo", "p95=4s"], "the rate to begin with"),
        (["--find-peak", "--slo", "p95=4s", "--rate", "1", "--arrivals", "ramp:2"], "no rate to search"),
        (["/no/such.wav", "--rate", "1"], "/no/such.wav"),
        (["--rate", "1", "--connect", "ipc:///tmp/a", "--ratio", "1:1:2"], "--ratio would have no effect"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(arguments, message):
    with pytest.raises(ConfigError) as refusal:
        load_options(parse(*arguments))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "1e-9", "--requests", "2"], "years, and a trial may last 7 days at most; raise --rate"),
        (["--rate", "1e-300", "--requests", "2", "--arrivals", "constant"], "a trial may last 7 days at most"),
        (["--rate", "1e-9"], "0 requests would be measured"),
        (["--rate", "1e9"], "more than 1,000 requests"),
        (["--arrivals", "closed:1", "--seconds", "1e9"], "--seconds 1e+09"),
        (["--rate", "1", "--give-up", "1e9"], "--give-up 1e+09"),
    ],
)
def test_a_trial_that_would_take_years_or_all_memory_is_refused(arguments, message, monkeypatch):
    monkeypatch.setattr("benchmarks.load.options.MOST_REQUESTS", 1000)  # a million take a second to draw
    with pytest.raises(ConfigError) as refusal:
        load_options(parse(*arguments))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5 s"), (90, "90 s"), (600, "10 min"), (7 * 86400, "7 days"), (1e9, "31.7 years")]
)
def test_a_duration_is_written_in_a_unit_that_suits_it(seconds, text):
    assert duration_text(seconds) == text


def test_the_help_teaches_the_rule_the_search_and_the_exit_status(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = " ".join(capsys.readouterr().out.split())
    for words in ("A run is invalid when", "doubles or halves", "closed:CALLERS", "exit status:", "examples:"):
        assert words in text


def test_reports_are_written_into_the_current_folder_unless_another_is_named():
    assert load_options(parse("--rate", "1")).output.parts[:-1] == ("reports",)
    assert load_options(parse("--rate", "1", "--output", "/elsewhere")).output == Path("/elsewhere")
