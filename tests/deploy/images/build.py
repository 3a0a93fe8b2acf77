"""Builds the images of deploy/Dockerfile without Docker: ``python -m tests.deploy.images.build [TARGET …]``.

It needs root on Debian and the tools in `TOOLS`. buildah builds the images and podman runs them. The registry that has
the official Python image may be out of reach, so debootstrap makes a base with Debian's own Python 3.11. Packages come
from where pip on this machine finds them: its settings are mounted into the build and stay out of the image.

Images and layers are kept in `STORE`, so that a second build repeats only what has changed.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from checkout import ROOT

STORE = Path("/var/tmp/relevo-images")
TARGETS = ("offline", "hub")
BASE = "localhost/relevo-base:bookworm"
PROMETHEUS = "localhost/relevo-prometheus:bookworm"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE_PACKAGES = "ca-certificates,python-is-python3,python3-dev,python3-pip,python3-venv"
TOOLS = {  # the Debian package of each
    "/usr/bin/buildah": "buildah",
    "/usr/bin/docker-compose": "docker-compose",
    "/usr/bin/podman": "podman",
    "/usr/bin/prometheus": "prometheus",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/libexec/podman/catatonit": "catatonit",
    "/usr/sbin/debootstrap": "debootstrap",
    "/usr/sbin/runc": "runc",
}
# The settings of pip that say where packages come from and how to reach them.
PIP_SETTINGS = {
    "cert", "constraint", "default-timeout", "extra-index-url", "find-links", "index-url", "no-index", "proxy",
    "timeout", "trusted-host",
}  # fmt: skip
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

# There may be no systemd to make cgroups or to keep a journal, and no right to raise limits.
CONTAINERS_CONF = """\
[containers]
default_ulimits = []
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""
# The Prometheus of docker-compose.yml as the official image has it, with Debian's program.
PROMETHEUS_FILE = f"""\
FROM {BASE}
COPY prometheus /bin/prometheus
RUN install --directory --owner=nobody /prometheus
USER nobody
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
"""


def environment() -> dict[str, str]:
    """The variables that let buildah and podman use `STORE`; writes their configuration there."""
    STORE.mkdir(parents=True, exist_ok=True)
    driver = "overlay" if "overlay" in Path("/proc/filesystems").read_text().split() else "vfs"
    storage = f'[storage]\ndriver = "{driver}"\ngraphroot = "{STORE}/images"\nrunroot = "/run/relevo-images"\n'
    (STORE / "storage.conf").write_text(storage)
    (STORE / "containers.conf").write_text(CONTAINERS_CONF)
    return {
        **os.environ,
        "CONTAINERS_CONF": str(STORE / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(STORE / "storage.conf"),
    }


def run(*command: str | Path, stdin: int | None = None) -> None:
    """Runs a command with its output on ours.

    Raises:
        CalledProcessError: it failed.
    """
    subprocess.run(command, env=environment(), stdin=stdin, check=True)


def has_image(name: str) -> bool:
    """Whether an image is in `STORE`."""
    return subprocess.run(["podman", "image", "exists", name], env=environment(), check=False).returncode == 0


def require_tools() -> None:
    """Checks that this process may build images.

    Raises:
        SystemExit: it is not root, or a tool is missing; says how to install it.
    """
    if os.geteuid() != 0:
        raise SystemExit("building images needs root: sudo make test-images")
    missing = [package for file, package in TOOLS.items() if not Path(file).exists()]
    if missing:
        raise SystemExit(
            "building images needs more of Debian's packages: "
            f"apt-get install --no-install-recommends {' '.join(missing)}"
        )


def pip_settings() -> dict[str, str]:
    """The settings of pip on this machine that say where packages come from: its files', then its variables'."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = {}
    for source in ("global", "install", ":env:"):  # a later one wins
        for name, value in re.findall(rf"^{source}\.([\w-]+)=(.+)$", listed, re.MULTILINE):
            if name in PIP_SETTINGS:
                settings[name] = " ".join(ast.literal_eval(value).split())
    return settings


def package_mounts() -> Iterator[str]:
    """The ``--volume`` arguments that let pip and uv install in a build as they do on this machine."""
    settings = pip_settings()
    pip_conf, uv_toml = STORE / "pip.conf", STORE / "uv.toml"
    pip_conf.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    uv_toml.write_text("system-certs = true\n")
    yield f"--volume={pip_conf}:/etc/pip.conf:ro"
    yield f"--volume={uv_toml}:/etc/uv/uv.toml:ro"
    if certificates := settings.get("cert"):
        yield f"--volume={certificates}:{CERTIFICATES}:ro"
    for path in sorted(local_paths(settings.values())):
        yield f"--volume={path}:{path}:ro"


def local_paths(values: Iterable[str]) -> set[Path]:
    """The files and folders that settings of pip name. An index named by a URL refers to files beside it."""
    found = set()
    for word in " ".join(values).split():
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists() and str(path) != CERTIFICATES:
            found.add(path.parent if word.startswith("file://") and path.parent != Path("/") else path)
    return found


def build_base() -> None:
    """Makes the base image: a minimal Debian with Python."""
    with tempfile.TemporaryDirectory(dir=STORE) as folder:
        run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", folder)
        for downloaded in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(Path(folder, downloaded))
        archive = subprocess.Popen(["tar", "--create", "--directory", folder, "."], stdout=subprocess.PIPE)
        assert archive.stdout is not None
        run("podman", "import", "--change", f"ENV PATH={PATH}", "-", BASE, stdin=archive.stdout.fileno())
        archive.stdout.close()
        if archive.wait() != 0:
            raise SystemExit("tar failed; the base image is not whole")


def build(context: Path, file: Path, tag: str, *options: str) -> None:
    """Builds one image from a Dockerfile and its context."""
    command = ["buildah", "build", "--isolation=chroot", "--format=docker", "--layers", "--network=host"]
    run(*command, "--pull=never", f"--file={file}", f"--tag={tag}", *options, context)


def build_prometheus() -> None:
    """Makes the image that stands in for the official one of Prometheus."""
    with tempfile.TemporaryDirectory(dir=STORE) as folder:
        context = Path(folder)
        shutil.copy(shutil.which("prometheus") or "", context)
        (context / "Dockerfile").write_text(PROMETHEUS_FILE)
        build(context, context / "Dockerfile", PROMETHEUS)


def main() -> None:
    """Builds what the command line asks for."""
    parser = argparse.ArgumentParser(description="Builds the images of deploy/Dockerfile without Docker.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: {' and '.join(TARGETS)}")
    parser.add_argument("--packages", action="store_true", help="print the Debian packages that it needs, and end")
    parser.add_argument("--remove", action="store_true", help=f"remove every image, and {STORE}")
    arguments = parser.parse_args()
    if arguments.packages:
        sys.stdout.write(f"{' '.join(sorted(TOOLS.values()))}\n")
        return
    require_tools()
    if arguments.remove:
        run("podman", "rmi", "--all", "--force")
        shutil.rmtree(STORE)
        return
    try:
        if not has_image(BASE):
            build_base()
        if not has_image(PROMETHEUS):
            build_prometheus()
        options = [f"--build-arg=PYTHON_IMAGE={BASE}", *package_mounts()]
        for target in arguments.targets or TARGETS:
            build(ROOT, ROOT / "deploy" / "Dockerfile", f"relevo:{target}", f"--target={target}", *options)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"building images: {error.cmd[0]} failed with status {error.returncode}") from None


if __name__ == "__main__":
    main()
