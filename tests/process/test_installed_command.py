"""The command `relevo` as `make` installs it: editable, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv

from checkout import ROOT, VERSION


def test_the_command_runs_from_any_folder_with_the_checkout_it_was_installed_from(tmp_path):
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    packages = environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib"))  # stands in for requirements/run.txt
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", "--quiet", "--no-index",
            "--no-deps", "--no-build-isolation", "--editable", ROOT,
        ],
        check=True,
    )  # fmt: skip

    def relevo(*arguments: str) -> str:
        command = [environment / "bin" / "relevo", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert relevo("--version").startswith(f"relevo {VERSION} ({ROOT},")
    assert "modules.testing.noop:NoopSpeak" in relevo("check", "--config", str(ROOT / "pipelines" / "noop.yaml"))
