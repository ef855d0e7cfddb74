"""A farm's node that diffuses is killed in the middle of a frame, and goes on to the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from impetus.backend.contract import methods as d
from impetus.backend.contract.shot_file import write_shot

from . import shots
from .test_pipeline import files
from .tiny_model import write_model

METHOD = d.MotionCraft(prompt="jelly", model="small", steps=40, tau=400.0)


def command(shot: Path, out: Path, cache: Path) -> list[str]:
    render = [sys.executable, "-P", "-m", "impetus.backend", "render", str(shot)]
    return [*render, "--out", str(out), "--cache", str(cache), "--device", "cpu"]


def test_killed_within_a_frame_it_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write_model(tmp_path / "data" / "impetus" / "models" / "small")
    path = tmp_path / "cube.shot"
    write_shot(path, *shots.falling_cube(frames=(1, 4), size=(72, 66), method=METHOD))
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    subprocess.run(command(path, calm, tmp_path / "one"), check=True, timeout=200)

    process = subprocess.Popen(command(path, killed, tmp_path / "two"))
    end = time.monotonic() + 200
    while not (killed / "beauty" / "0002.png").is_file():
        assert time.monotonic() < end
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {p: p.stat().st_mtime_ns for p in killed.glob("*/000[12].*") if p.suffix in (".png",)}
    assert len(files(killed)) < len(files(calm))

    subprocess.run(command(path, killed, tmp_path / "two"), check=True, timeout=200)
    assert files(killed) == files(calm)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept, "no finished frame was made again"
    assert os.listdir(tmp_path / "two" / "simulate") == os.listdir(tmp_path / "one" / "simulate")
