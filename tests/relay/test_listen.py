"""Where a relay listens: it takes over a socket that nobody answers at, and leaves everything else alone."""

from __future__ import annotations

import socket

import pytest

from errors import AddressInUse
from pipeline import Pipeline
from workers.broker.router_sockets import RouterSockets, check_ipc_path


@pytest.fixture
def sockets():
    made = RouterSockets(None)
    yield made
    made.close()


def test_a_regular_file_is_left_as_it_was(fake_config, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("kept")
    for key in ("listen", "listen_replicas"):
        with pytest.raises(AddressInUse, match=rf"cannot use .*notes.txt: there is a regular file.*set {key}:"):
            Pipeline.from_config(fake_config(), **{key: f"ipc://{file}"}).start()
        assert file.read_text() == "kept"


def test_a_directory_and_a_link_are_named_and_left(tmp_path, sockets):
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(tmp_path / "nowhere")
    for place, kind in ((folder, "a directory"), (link, "a symbolic link")):
        with pytest.raises(AddressInUse, match=f"there is {kind} of that name; set listen: to another path"):
            sockets.listen(f"ipc://{place}", "listen")
    assert folder.is_dir()
    assert link.is_symlink()


def test_a_socket_that_somebody_answers_at_is_left(tmp_path, sockets):
    address = f"ipc://{tmp_path}/clients"
    listening = sockets.listen(address, "listen")
    with pytest.raises(AddressInUse, match="in use by another process; stop it or set listen: to another path"):
        sockets.listen(address, "listen")
    assert not listening.closed


def test_a_socket_that_was_left_behind_is_taken_over(tmp_path, sockets):
    path = tmp_path / "clients"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.is_socket()
    sockets.listen(f"ipc://{path}", "listen")


def test_a_new_path_and_an_abstract_socket_are_free(tmp_path):
    check_ipc_path(f"ipc://{tmp_path}/new", "listen")
    check_ipc_path("ipc://@relevo-test", "listen")
