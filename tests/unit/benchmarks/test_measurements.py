"""Every measurement shows its help with the packages of the offline relay alone, and says what to install for more."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

from benchmarks.common.command_line import INSTALLED_BY, require, run_measurement
from benchmarks.common.expectations import expect_ok
from checkout import ROOT
from errors import ConfigError, InputError, MeasurementError
from workers.client.result import Result
from workers.wire.messages import OutcomeName

GROUPS = ("common", "relay", "models", "peers")
FILES = sorted(file for group in GROUPS for file in (ROOT / "benchmarks" / group).rglob("*.py"))
RUN_BY_OTHERS = {"busy_threads.py", "mosec_relay.py", "mosec_server.py"}
# Imported only once their package is known to be there.
OTHERS_PACKAGES = {"mosec_relay.py", "mosec_server.py", "ray_relay.py"}
# demo.py takes no arguments: it installs everything anew.
COMMANDS = [
    file
    for file in FILES
    if '__name__ == "__main__"' in file.read_text("utf-8") and file.name not in {*RUN_BY_OTHERS, "demo.py"}
]


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("file", COMMANDS, ids=module_of)
def test_a_measurement_says_what_it_measures_and_how_it_is_run(file, monkeypatch, capsys):
    measurement = importlib.import_module(module_of(file))
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as ended:
        measurement.main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert measurement.__doc__.strip() in printed
    assert f"python -m {module_of(file).removesuffix('.__main__')}" in printed


@pytest.mark.parametrize("file", [file for file in FILES if file.name not in OTHERS_PACKAGES], ids=module_of)
def test_what_make_demo_does_not_install_is_imported_where_it_is_used(file):
    statements = ast.parse(file.read_text("utf-8")).body
    imported = {alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in statements if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in imported} & set(INSTALLED_BY)


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setitem(INSTALLED_BY, "no_such_package", "make dev")
    require("json")
    with pytest.raises(ConfigError, match="no_such_package is not installed; run `make dev`"):
        require("json", "no_such_package")


def ending(error: BaseException | int):
    def main() -> int:
        if isinstance(error, BaseException):
            raise error
        return error

    return main


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (0, 0),
        (3, 3),
        (ConfigError("no"), 2),
        (InputError("no"), 1),
        (MeasurementError("no"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_status_says_how_a_measurement_ended(error, status, capsys):
    with pytest.raises(SystemExit) as ended:
        run_measurement(ending(error))
    assert ended.value.code == status
    assert capsys.readouterr().err == ("relevo: no\n" if isinstance(error, Exception) else "")


def test_figures_of_requests_that_failed_are_refused():
    def result(outcome: OutcomeName, error: str) -> Result:
        return Result("1", outcome, error, 0.0, 1.0, None, {}, None, (), ())

    ok, failed = result("ok", ""), result("failed", "no voice")
    expect_ok([ok, ok])
    with pytest.raises(MeasurementError, match="1 of 2 requests did not end ok, such as: failed: no voice"):
        expect_ok([ok, failed])
