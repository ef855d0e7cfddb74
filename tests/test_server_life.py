"""How servers start and end: when idle, one a home, after one that is ending, with jobs left."""

import threading
import time
from pathlib import Path

import pytest

from impetus.backend.contract import messages as m
from impetus.backend.contract.errors import LinkError
from impetus.backend.contract.keys import read_connection
from impetus.backend.contract.process import FileLock

from .served import Served, follow, serve, submit, wait_for


def test_idle_servers_end(tmp_path: Path) -> None:
    with serve(tmp_path, idle=1.0) as served:
        with served.client() as client:
            client.hello()
            time.sleep(2.0)
            assert served.process.poll() is None  # a client is there
        wait_for(lambda: served.process.poll() is not None, 6.0)
        assert served.process.returncode == 0
        assert not (served.home / "connection.json").exists()


def test_jobs_keep_a_server_awake(tmp_path: Path) -> None:
    with serve(tmp_path, idle=0.3) as served:
        served.tell_engine(pause=0.3)
        with served.client() as client:
            job = submit(client, (1, 6))
        wait_for(lambda: served.process.poll() is not None)
        assert len(list((served.home / "takes" / job.take / "beauty").iterdir())) == 6


def test_one_server_per_home(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        second = Served(served.home)
        with pytest.raises(AssertionError, match="Another backend serves"):
            second.start()
        with served.client() as client:
            assert client.hello().version


def test_a_new_server_waits_for_one_that_is_ending(tmp_path: Path) -> None:
    """What ends takes its address away first, and may need seconds for its children."""
    served, ending = Served(tmp_path / "home"), FileLock(tmp_path / "home" / "server.lock")
    served.home.mkdir()
    assert ending.acquire()
    threading.Timer(1.5, ending.release).start()
    served.start()
    with served.client() as client:
        assert client.hello().version
    assert served.stop() == 0


def test_shutdown_is_answered_and_the_job_waits(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        served.tell_engine(pause=0.1)
        with served.client() as client:
            job = submit(client, (1, 50))
            client.attach(job.job)
            follow(client, job.job, lambda event: isinstance(event.body, m.FrameReady))
            client.shutdown()
        wait_for(lambda: served.process.poll() is not None)
        assert served.process.returncode == 0
        with pytest.raises(LinkError):
            read_connection(served.home)
        served.start()
        with served.client() as client:
            info = client.jobs()[0]
            assert info.state in ("queued", "running")
            assert 0 < info.frames_done < 50
