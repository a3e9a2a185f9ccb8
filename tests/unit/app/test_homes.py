"""The home is private, has one master, and is not made out of a directory that serves others."""

import os
import socket
from pathlib import Path

import pytest

from sekisho.app import homes


def test_everything_in_it_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "a" / "home"
    path.mkdir(parents=True, mode=0o755)
    (path / "models").mkdir(mode=0o755)
    (path / "sekisho.toml").write_text("")
    (path / "sekisho.toml").chmod(0o644)
    home = homes.Home(path)
    home.create()
    for directory in (path, home.models, home.journal, home.backups, home.run):
        assert directory.stat().st_mode & 0o777 == 0o700, directory
    assert home.config.stat().st_mode & 0o777 == 0o600


def test_a_home_with_nothing_but_models_is_new(tmp_path: Path) -> None:
    home = homes.Home(tmp_path)
    assert home.is_new()
    (tmp_path / "models").mkdir()
    home.create()
    assert home.is_new()
    home.ring_file.write_text("x")
    assert not home.is_new()


def test_a_directory_with_other_peoples_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    tmp_path.chmod(0o755)
    with pytest.raises(homes.HomeError, match=r"holds other files, such as thesis\.tex; choose an own directory with --home"):
        homes.Home(tmp_path).create()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_file_in_the_place_of_the_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(homes.HomeError, match="choose another home"):
        homes.Home(tmp_path / "file").create()


def test_one_master_at_a_time(tmp_path: Path) -> None:
    home = homes.Home(tmp_path)
    home.create()
    assert home.holder() is None
    with home.locked():
        assert home.holder() == os.getpid()
        with (
            pytest.raises(homes.LockedError, match=rf"runs already in .* \(pid {os.getpid()}\); stop it with `sekisho stop`"),
            home.locked(),
        ):
            pass
    assert home.holder() is None
    with home.locked():
        pass


def test_the_lock_lives_as_long_as_its_last_copy(tmp_path: Path) -> None:
    home = homes.Home(tmp_path)
    home.create()
    with home.locked() as descriptor:
        copy = os.dup(descriptor)
    assert home.holder() == os.getpid()
    os.close(copy)
    assert home.holder() is None


def test_sockets_of_a_long_home_lie_in_a_short_private_place(tmp_path: Path) -> None:
    short, long = homes.Home(tmp_path / "h"), homes.Home(tmp_path / ("x" * 90) / "home")
    assert short.link_socket == short.run / "link.sock"
    long.create()
    assert len(os.fsencode(long.tunnel_socket)) <= homes.MOST_SOCKET_PATH
    assert long.tunnel_socket.parent.stat().st_mode & 0o777 == 0o700
    assert homes.Home(long.path).link_socket == long.link_socket
    assert homes.Home(long.path.parent / "other").link_socket != long.link_socket
    with homes.bind_socket(long.link_socket):
        pass
    long.link_socket.unlink()
    long.link_socket.parent.rmdir()


def test_a_short_place_that_somebody_else_prepared_is_refused(tmp_path: Path) -> None:
    long = homes.Home(tmp_path / ("y" * 90) / "home")
    trap = tmp_path / "trap"
    trap.mkdir()
    long.link_socket.parent.symlink_to(trap)
    try:
        with pytest.raises(homes.HomeError, match="is no directory"):
            long.create()
    finally:
        long.link_socket.parent.unlink()


def test_a_socket_replaces_the_one_of_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    homes.bind_socket(path).close()
    assert path.exists()
    with homes.bind_socket(path), socket.socket(socket.AF_UNIX) as client:
        assert path.stat().st_mode & 0o777 == 0o600
        client.connect(str(path))


def test_it_is_known_how_the_last_master_ended(tmp_path: Path) -> None:
    home = homes.Home(tmp_path)
    assert not home.was_cut_short()
    home.create()
    assert not home.was_cut_short(), "there was none"
    for _ in range(2):
        with home.locked() as descriptor:
            assert home.was_cut_short(), "it has not ended"
            killed = os.dup(descriptor)
        assert not home.was_cut_short()
        assert home.holder() == os.getpid(), "its pid is told as long as a copy of its lock lives"
        os.close(killed)
    os.close(home.take_lock())  # as the system does where a process is killed
    assert home.was_cut_short()
    with home.locked():
        pass
    assert not home.was_cut_short()
