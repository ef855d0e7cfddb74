import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from impetus.backend.contract import keys
from impetus.backend.contract.errors import LinkError, RefusedError
from impetus.backend.contract.process import FileLock, boot_id, is_alive, start_time

KEY = "x" * 40


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def connection(home: Path, **changes: object) -> keys.Connection:
    return msgspec.structs.replace(keys.describe_self(home, 5001, 5002, KEY, "0.1.0"), **changes)


def test_a_connection_comes_back(tmp_path: Path) -> None:
    keys.write_connection(tmp_path, connection(tmp_path))
    assert keys.read_connection(tmp_path) == connection(tmp_path)
    assert mode(tmp_path / "connection.json") == 0o600
    assert not list(tmp_path.glob("*.tmp"))


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    keys.write_connection(tmp_path, connection(tmp_path))
    (tmp_path / "connection.json").chmod(0o644)
    with pytest.raises(RefusedError, match="0644"):
        keys.read_connection(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    keys.write_connection(tmp_path, connection(tmp_path))
    (tmp_path / "connection.json").rename(tmp_path / "elsewhere.json")
    (tmp_path / "connection.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(LinkError):
        keys.read_connection(tmp_path)


@pytest.mark.parametrize(
    "changes", [{"pid": 2**22 + 7}, {"started": "1"}, {"boot": "another boot"}, {"started": ""}]
)
def test_a_stale_file_is_told_from_a_live_one(tmp_path: Path, changes: dict[str, object]) -> None:
    """The process is gone; its pid is another's now; the machine was started anew."""
    keys.write_connection(tmp_path, connection(tmp_path, **changes))
    with pytest.raises(LinkError, match="has ended"):
        keys.read_connection(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b'{"home": 3}', b"\xff\xfe", b"null"])
def test_half_a_file_is_no_connection(tmp_path: Path, data: bytes) -> None:
    keys.write_private(tmp_path / "connection.json", data)
    with pytest.raises(LinkError, match="whole connection file"):
        keys.read_connection(tmp_path)


def test_no_file_is_no_backend(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="No backend is running"):
        keys.read_connection(tmp_path)


def test_only_the_own_connection_is_removed(tmp_path: Path) -> None:
    keys.write_connection(tmp_path, connection(tmp_path))
    keys.remove_connection(tmp_path, "y" * 40)
    assert (tmp_path / "connection.json").exists()
    keys.remove_connection(tmp_path, KEY)
    assert not (tmp_path / "connection.json").exists()


def test_one_install_has_one_key_pair(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor(8) as pool:
        pairs = set(pool.map(lambda _: keys.client_keys(home), range(16)))
    (pair,) = pairs
    assert keys.allowed_keys(home) == {pair.public}
    assert mode(home) == 0o700
    assert mode(home / "clients") == 0o700
    assert mode(home / "client.json") == 0o600
    assert {mode(path) for path in (home / "clients").iterdir()} == {0o600}
    assert pair.secret not in repr(pair)


def test_what_is_not_ours_lets_nobody_in(tmp_path: Path) -> None:
    keys.allow_client(tmp_path, KEY)
    (known,) = (tmp_path / "clients").iterdir()
    known.chmod(0o666)
    (tmp_path / "clients" / "half.json").write_text('{"public": "')
    assert keys.allowed_keys(tmp_path) == frozenset()


def test_a_dead_process_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = start_time(process.pid)
    assert is_alive(process.pid, started, boot_id())
    process.kill()
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) is None:
        pass
    assert not is_alive(process.pid, started, boot_id())  # a zombie, still holding its pid
    process.communicate()
    assert not is_alive(process.pid, started, boot_id())


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys, pathlib; from impetus.backend.contract.process import FileLock;"
        f"print(FileLock(pathlib.Path({str(path)!r})).acquire(), flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"True\n"
    ours = FileLock(path)
    assert not ours.acquire()
    holder.kill()
    holder.communicate()
    assert ours.acquire(timeout=2.0)
    ours.release()
