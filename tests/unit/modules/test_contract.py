"""The contract that users' own modules follow."""

from __future__ import annotations

import sys
import textwrap

import numpy as np
import pytest

from errors import ConfigError, InputError
from modules.contract import module
from modules.contract.module import Compute
from modules.contract.payloads import Audio, Text
from modules.contract.registry import MODULES, module_class, module_options


@pytest.fixture
def shout(tmp_path, monkeypatch) -> str:
    """The name of the example in the contract's docstring, saved as a user would."""
    example = module.__doc__.split("::\n", 1)[1].split("\n\nA stage runs it")[0]
    (tmp_path / "shout.py").write_text(textwrap.dedent(example))
    monkeypatch.syspath_prepend(tmp_path)
    return "shout:Shout"


def test_the_example_of_the_contract_is_a_module(shout):
    example = module_class(shout)(None, module_options(shout, {"mark": "!!"}), Compute())
    example.warm_up()

    (first, text), (second, error) = example.process([Text("rain", "en", 1.0, 2.0), Text("lluvia", "es")])

    assert (first, text) == (0, Text("RAIN!!", "en", 1.0, 2.0))
    assert (second, type(error)) == (1, InputError)


def test_an_unknown_option_is_named_with_those_there_are(shout):
    with pytest.raises(ConfigError, match=r"options of module 'shout:Shout': loud: .*; its options are: mark"):
        module_options(shout, {"loud": True})


@pytest.mark.parametrize("name", MODULES)
def test_every_module_of_the_registry_names_its_payloads_and_describes_its_options(name):
    found = module_class(name)

    assert {found.accepts, found.yields} <= {Audio, Text}
    assert all(field.description for field in found.options_type.model_fields.values())


@pytest.mark.parametrize("name", ["whisper-ct3", "no_such_file:Module", "checkout:ROOT"])
def test_what_is_no_module_is_refused(name):
    with pytest.raises(ConfigError, match=name):
        module_class(name)


def test_a_registered_module_without_its_package_names_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "modules.bark", None)
    with pytest.raises(ConfigError, match=r"'bark'.*`make demo`.*`make hub`"):
        module_class("bark")


def test_a_module_of_ones_own_without_its_package_names_the_package(tmp_path, monkeypatch):
    (tmp_path / "needy.py").write_text("import no_such_package.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"'needy:Needy'.*install the package no_such_package"):
        module_class("needy:Needy")


def test_a_module_in_another_folder_names_the_folder_to_run_from():
    with pytest.raises(ConfigError, match="run from the folder that holds it"):
        module_class("no_such_file:Module")


@pytest.mark.parametrize(
    ("samples", "sample_rate", "complaint"),
    [
        (np.zeros((2, 8), np.float32), 16_000, r"not float32 of shape \(2, 8\)"),
        (np.zeros(8, np.int16), 16_000, r"not int16 of shape \(8,\)"),
        (np.zeros(8, np.float32), 0, "a sample rate of 0 Hz"),
    ],
)
def test_audio_of_another_form_is_refused(samples, sample_rate, complaint):
    with pytest.raises(InputError, match=complaint):
        Audio(samples, sample_rate)
