"""The command line as a shell calls it, without a relay."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from checkout import ROOT, VERSION
from workers.broker.dead_letters import DeadLetter
from workers.wire.messages import Meta

HEAVY = (
    "av", "ctranslate2", "matplotlib", "msgspec", "numpy", "onnxruntime", "pyarrow", "pydantic", "rich", "simpy",
    "torch", "yaml", "zmq",
)  # fmt: skip


def relevo(*arguments: object, **changes) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "pipeline.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **changes)


def test_the_version_tells_which_checkout_it_is_of():
    assert relevo("--version").stdout.startswith(f"relevo {VERSION} ({ROOT}, Python 3.")


def test_help_is_printed_without_the_libraries_that_commands_work_with():
    code = (
        "import sys, contextlib, pipeline\n"
        "with contextlib.suppress(SystemExit): pipeline.main(['--help'])\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "usage: relevo" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("relevo sca", ["scale"]),
        ("relevo scale ", ["listen", "speak", "translate"]),
        ("relevo dead re", ["retry"]),
        ("relevo weights fetch kok", ["kokoro-82m-onnx"]),
        ("relevo check --config con", ["config.yaml"]),
        ("relevo run --outp", ["--output"]),
    ],
)
def test_bash_completes(typed, completed):
    script = relevo("completion", "bash").stdout
    code = (
        f"{script}\nwords=({typed}); [[ '{typed}' == *' ' ]] && words+=('')\n"
        'COMP_WORDS=("${words[@]}"); COMP_CWORD=$((${#words[@]} - 1)); COMPREPLY=()\n'
        '_shtab_relevo relevo "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == completed


@pytest.mark.parametrize(("shell", "check"), [("zsh", "-n"), ("fish", "--no-execute")])
def test_other_shells_can_read_their_completion(tmp_path, shell, check):
    script = tmp_path / "script"
    script.write_text(relevo("completion", shell).stdout)
    assert "weights" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, check, script], check=True)


def test_missing_recordings_are_told_before_a_relay_starts(fake_config, tmp_path):
    crash = fake_config(listen={"crash_load": True})  # a relay that was started would end the command with its error
    report = tmp_path / "new" / "report.json"
    done = relevo("run", "no.wav", tmp_path, "--config", crash, "--report", report, cwd=tmp_path)
    assert done.returncode == 1
    assert "no.wav: cannot be read (No such file or directory); check the path" in done.stdout
    assert "starting" not in done.stdout
    assert done.stderr == ""
    assert report.is_file()


def test_a_refused_command_leaves_no_folder(fake_config, tmp_path):
    for arguments in (("--connect", "tcp://127.0.0.1"), ("--config", fake_config(), "--ratio", "1:1")):
        done = relevo("run", "a.wav", *arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("folder", ["[/x]", "[bold]", "\x1b[2J"])
def test_dead_letters_are_shown_as_text_whatever_is_in_them(tmp_path, folder):
    place = tmp_path / folder
    assert relevo("dead", "--folder", place, "list").returncode == 0
    letter = DeadLetter("r", "speak", (0,), 3, "[/INST] \x1b[2J", Meta("text", 1.0), (), "now", "[/x]\n\x1b[2J\n")
    (place / "letter").mkdir(parents=True)
    (place / "letter" / "letter.json").write_bytes(msgspec.json.encode(letter))
    (place / "letter" / "payload.bin").write_bytes(b"[/x] \x1b[2J")
    for action in (["list"], ["show", "letter"]):
        done = relevo("dead", "--folder", place, *action)
        assert done.returncode == 0, done.stderr
        assert r"[/INST] \x1b[2J" in done.stdout
        assert "\x1b" not in done.stdout


def test_a_reader_that_goes_away_does_not_end_a_command(tmp_path):
    command = f"{sys.executable} {ROOT / 'pipeline.py'} weights list | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"


def test_output_that_is_lost_is_an_error(tmp_path):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, ROOT / "pipeline.py", "dead", "--folder", tmp_path, "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "relevo: output is lost: No space left on device\n"


@pytest.mark.parametrize("name", ["errors.py", "modules", "zmq.py", "checkout.py"])
def test_no_file_of_the_current_folder_takes_the_place_of_one_that_relevo_needs(tmp_path, name, fake_config):
    hostile = "raise SystemExit('the current folder was searched first')"
    if name.endswith(".py"):
        (tmp_path / name).write_text(hostile)
    else:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(hostile)
    done = relevo("check", "--config", fake_config(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_module_of_the_current_folder_is_found(tmp_path):
    (tmp_path / "my_models").mkdir()
    (tmp_path / "my_models" / "shout.py").write_text(
        "from modules.contract.module import Module\n"
        "from modules.contract.payloads import Text\n"
        "class Shout(Module):\n    accepts = yields = Text\n"
    )
    (tmp_path / "mine.yaml").write_text("stages: {shout: {module: 'my_models.shout:Shout'}}")
    done = relevo("check", "--config", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Text → Text" in done.stdout
