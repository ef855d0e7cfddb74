import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from impetus.backend.contract.client import Client
from impetus.backend.contract.shot_file import write_shot

from . import shots
from .served import Served, follow, is_frame, is_state, serve, submit

COMMAND = [sys.executable, "-P", "-m", "impetus.backend"]


def impetus(*arguments: object, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, COLUMNS="200", NO_COLOR="1")
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, env=environment, check=False
    )


@pytest.fixture(scope="module")
def shot_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shot") / "cube.shot"
    write_shot(path, *shots.falling_cube((1, 3)))
    return path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with served.client() as found:
        yield found


def test_help_tells_the_commands_and_exit_codes() -> None:
    text = impetus("--help").stdout
    assert all(name in text for name in ("serve", "render", "jobs", "doctor", "evaluate"))
    text = impetus("render", "--help").stdout
    assert all(f"{code}:" in text for code in (0, 1, 12, 75))


def test_serve_loads_no_heavy_library() -> None:
    code = (
        "import sys; import impetus.backend.__main__, impetus.backend.service.server;"
        "print({'torch', 'taichi', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "set()\n"


def test_render_makes_a_take_and_goes_on(tmp_path: Path, shot_file: Path) -> None:
    out = tmp_path / "take"
    options = ("--out", out, "--cache", tmp_path / "cache", "--device", "cpu")
    done = impetus("render", shot_file, *options)
    assert done.returncode == 0, done.stderr
    assert "frame 3 (3 of 3)" in done.stderr
    assert sorted(path.name for path in (out / "beauty").iterdir()) == [
        "0001.png", "0002.png", "0003.png",
    ]  # fmt: skip
    kept = (out / "beauty" / "0001.png").stat().st_ino
    (out / "beauty" / "0002.png").unlink()
    again = impetus("render", shot_file, *options)
    assert again.returncode == 0, again.stderr
    assert (out / "beauty" / "0002.png").is_file()
    assert (out / "beauty" / "0001.png").stat().st_ino == kept
    refused = impetus("render", shot_file, *options, "--no-resume")
    assert refused.returncode == 1
    assert "a take is never overwritten" in refused.stderr


def test_render_that_is_ended_says_so_and_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "long.shot"
    write_shot(path, *shots.falling_cube((1, 400)))
    out = tmp_path / "take"
    command = [*COMMAND, "render", path, "--out", out, "--cache", tmp_path / "cache"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not list(out.glob("beauty/*.png")):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 75
    assert "Run the same command; it goes on." in errors
    assert not list(out.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "expected a shot file, got nothing there"), (b"PK no", "expected a whole shot file")],
)
def test_render_of_no_shot_is_fatal(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "x.shot"
    if content is not None:
        path.write_bytes(content)
    done = impetus("render", path, "--out", tmp_path / "take", "--cache", tmp_path / "cache")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_jobs_are_listed_and_acted_on(served: Served, client: Client) -> None:
    served.tell_engine(pause=0.3)
    job = submit(client, (1, 50), name="Jelly")
    client.attach(job.job)
    follow(client, job.job, is_frame)
    listed = impetus("jobs", "--home", served.home)
    assert listed.returncode == 0
    assert all(word in listed.stdout for word in (job.job, "Jelly", "running", "/50"))
    assert "Cancel it first" in impetus("jobs", "--home", served.home, "remove", job.job).stderr
    assert impetus("jobs", "--home", served.home, "cancel", job.job[:20]).returncode == 0
    follow(client, job.job, is_state("cancelled"))
    assert impetus("jobs", "--home", served.home, "remove", job.job).returncode == 0
    assert "No jobs." in impetus("jobs", "--home", served.home).stdout
    unknown = impetus("jobs", "--home", served.home, "cancel", "01NOBODY")
    assert unknown.returncode == 1
    assert "Expected one job that starts with '01NOBODY', got 0." in unknown.stderr


def test_jobs_without_a_backend_says_so(tmp_path: Path) -> None:
    done = impetus("jobs", "--home", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "impetus: No backend is running. Connect, and it is started.\n"


def test_doctor_examines_all(served: Served) -> None:
    text = impetus("doctor", "--home", served.home).stdout
    words = ("Python", "taichi", "CURVE on", "Device cpu", "Memory", "Disk speed", "answers in",
             "torch", "Diffusion", "Precision", "Model tiny", "Flow network",
             "Splats")  # fmt: skip
    assert all(word in text for word in words), text


def test_evaluate_lists_its_suites(tmp_path: Path) -> None:
    done = impetus("evaluate", "nothing", "--out", tmp_path)
    assert done.returncode == 1
    assert "Expected one of reliability, physics, motion, " in done.stderr
    assert ", got 'nothing'." in done.stderr


def test_serve_ends_cleanly_on_a_signal(tmp_path: Path) -> None:
    process = subprocess.Popen([*COMMAND, "serve", "--home", tmp_path])
    served = Served(tmp_path)
    served.process = process
    end = time.monotonic() + 20
    while not served.is_up():
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert not (tmp_path / "connection.json").exists()
