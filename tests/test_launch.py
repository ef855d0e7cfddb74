import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from impetus.backend.contract.errors import LinkError
from impetus.backend.contract.keys import read_connection
from impetus.backend.contract.launch import connect_or_start

PYTHON = Path(sys.executable)
STARTS = 8


def test_many_starts_give_one_server(tmp_path: Path) -> None:
    """Separate processes, all at once, none there before."""
    home = tmp_path / "home"
    code = (
        "import sys, pathlib; from impetus.backend.contract.launch import connect_or_start;"
        "from impetus.backend.contract.keys import read_connection;"
        f"home = pathlib.Path({str(home)!r});"
        "client = connect_or_start(home, pathlib.Path(sys.executable));"
        "print(read_connection(home).pid); client.close()"
    )
    starts = [
        subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE)
        for _ in range(STARTS)
    ]
    answers = {start.communicate(timeout=60)[0] for start in starts}
    assert {start.returncode for start in starts} == {0}
    assert len(answers) == 1
    (pid,) = map(int, answers)
    server = psutil.Process(pid)
    with connect_or_start(home, PYTHON) as client:
        assert read_connection(home).pid == pid
        client.shutdown()
    server.wait(10)
    with pytest.raises(LinkError):
        read_connection(home)


def test_a_killed_server_is_followed_by_another(tmp_path: Path) -> None:
    with connect_or_start(tmp_path, PYTHON) as client:
        server = psutil.Process(read_connection(tmp_path).pid)
        server.kill()
        psutil.wait_procs([server], timeout=5)
        with connect_or_start(tmp_path, PYTHON) as other:
            assert other.hello().version
            assert client.hello().version  # the first client finds it as well
            other.shutdown()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "impetus.sqlite").mkdir()
    began = time.monotonic()
    with pytest.raises(LinkError, match="unable to open database file") as raised:
        connect_or_start(tmp_path, PYTHON)
    assert time.monotonic() - began < 15
    assert "server.log" in raised.value.remedy


def test_a_missing_python_is_told(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="does not start"):
        connect_or_start(tmp_path, tmp_path / "python")


def test_threads_share_one_server(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        clients = list(pool.map(lambda _: connect_or_start(tmp_path, PYTHON), range(4)))
    stores = {client.hello().store for client in clients}
    assert stores == {str(tmp_path)}
    clients[0].shutdown()
    for client in clients:
        client.close()
