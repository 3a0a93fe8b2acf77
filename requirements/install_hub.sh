#!/bin/sh
# Installs the packages of the hub models into a virtual environment: requirements/install_hub.sh PYTHON hub|s2t2
#
# PYTHON is the environment's interpreter. `make hub`, `make env-s2t2` and deploy/Dockerfile call this script, so that a
# checkout and an image have the same packages.
set -eu
requirements=$(dirname "$0")
python=$1
packages=$2
pip="$python -m pip install --quiet --disable-pip-version-check"

# pip chooses the build of torch: the one with CUDA, or one for CPUs where pip is told to look for it
# (docs/hub-models.md).
$pip --requirement "$requirements/hub-first.txt"

# uv installs the other packages exactly as they are listed. Nothing is resolved, because some packages require versions
# that exclude each other (hub-overrides.txt).
"$(dirname "$python")/uv" pip install --quiet --python "$python" --no-deps --requirement "$requirements/$packages.txt"

if [ "$packages" = hub ]; then
    # Its setup script imports pip and torch, so pip cannot build it in an isolated environment.
    $pip --no-build-isolation --no-deps parallel_wavegan==0.6.1
    "$python" "$requirements/cpu_torchaudio.py"
fi
