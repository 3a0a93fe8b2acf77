from __future__ import annotations

import pytest

from commands.arguments import CommandParser, HelpFormatter
from commands.options import DEFAULT_CONFIG, add_config_options, add_connect_options, check_relay_options, config_of
from errors import ConfigError
from pipeline import parser


def parsed(*arguments: str):
    made = CommandParser()
    add_connect_options(made, "", required=False)
    add_config_options(made)
    return made.parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--config", "mine.yaml"), "--config would"),
        (("--ratio", "1:1:2", "--set", "seed=1"), "--ratio, --set would"),
        (("--weights", "usb"), "--weights would"),
    ],
)
def test_what_a_running_relay_would_ignore_is_refused(arguments, named):
    with pytest.raises(ConfigError, match=named):
        check_relay_options(parsed("--connect", "ipc:///tmp/relay", *arguments))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1", "tcp://127.0.0.1:80000", "relay", ""])
def test_an_address_that_no_socket_could_connect_to_is_refused(address):
    with pytest.raises(ConfigError, match="write ipc:///path/of/socket or tcp://HOST:PORT"):
        check_relay_options(parsed("--connect", address))


def test_keys_without_a_relay_to_show_them_to_are_refused():
    with pytest.raises(ConfigError, match="--keys k needs --connect"):
        check_relay_options(parsed("--keys", "k"))


def test_the_default_configuration_is_the_checkouts_whatever_folder_one_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(config_of(parsed()).stages) == ["listen", "translate", "speak"]
    assert DEFAULT_CONFIG.is_absolute()


def test_help_wraps_sentences_and_leaves_examples(monkeypatch):
    text = HelpFormatter("relevo", width=40)
    text.add_text("A sentence that is longer than the forty columns of a line.\n\nexamples:\n  relevo run " + "x" * 40)
    lines = text.format_help().splitlines()
    assert lines[:2] == ["A sentence that is longer than the forty", "columns of a line."]
    assert lines[-1] == "  relevo run " + "x" * 40


def test_a_wrong_argument_is_shown_without_its_control_characters(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["check", "--\x1b[2J"])
    assert "\x1b" not in capsys.readouterr().err
