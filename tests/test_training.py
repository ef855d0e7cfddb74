import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from impetus.backend.training.captions import drop_some, mirrored
from impetus.backend.training.loop import LoopSettings, TrainingLoop
from impetus.backend.training.run_state import RunState

RUN = """
import sys, time, torch
from pathlib import Path
from impetus.backend.training.loop import LoopSettings, TrainingLoop
from impetus.backend.training.run_state import RunState

torch.set_num_threads(1)
torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.GELU(), torch.nn.Conv2d(8, 3, 3))
settings = LoopSettings(minutes=1, steps=20, log_every=1, save_seconds=0.0, sheet_seconds=1e9)

def losses(step, generator):
    time.sleep(float(sys.argv[2]))
    picture = torch.randn(2, 3, 9, 9, generator=generator)
    error = (network(picture) - picture[:, :, 2:-2, 2:-2]).square().mean()
    return {"loss": error}

TrainingLoop(network, RunState(Path(sys.argv[1]), "run"), settings).run(losses)
"""


def train(folder: Path, pause: float = 0.0) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-P", "-c", RUN, str(folder), str(pause)])


def without_clock(state: RunState) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    loaded = state.load()
    assert loaded is not None
    entries = [{k: v for k, v in entry.items() if k != "seconds"} for entry in state.entries()]
    return loaded[0], entries


def test_a_killed_run_goes_on_to_equal_bytes(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert train(whole).wait(240) == 0
    running = train(cut, pause=0.2)
    until = time.monotonic() + 240
    while (
        len((cut / "run.jsonl").read_bytes().splitlines() if (cut / "run.jsonl").exists() else [])
        < 8
    ):
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert 0 < RunState(cut, "run").load()[1]["step"] < 20  # type: ignore[index]
    assert train(cut).wait(240) == 0
    (tensors, entries), (others, other_entries) = (
        without_clock(RunState(folder, "run")) for folder in (whole, cut)
    )
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())
    assert entries == other_entries
    assert [entry["step"] for entry in entries] == list(range(20))


def small_loop(folder: Path, **settings: float) -> TrainingLoop[torch.nn.Linear]:
    torch.manual_seed(0)
    whole = {"minutes": 1.0, "steps": 10, "warm_up": 1, "log_every": 1} | settings
    return TrainingLoop(torch.nn.Linear(2, 2), RunState(folder, "run"), LoopSettings(**whole))  # type: ignore[arg-type]


def test_a_leg_that_ended_is_followed_by_another(tmp_path: Path) -> None:
    for leg in range(2):
        loop = small_loop(tmp_path)
        loop.run(lambda step, g, net=loop.network: {"loss": net(torch.ones(1, 2)).square().sum()})
        assert (loop.place.leg, loop.place.step) == (leg, 10 * (leg + 1))
    rates = [entry["learning_rate"] for entry in RunState(tmp_path, "run").entries()]
    assert rates[0] > rates[9] < rates[10]
    assert len(rates) == 20


def test_a_batch_that_explodes_leaves_the_weights(tmp_path: Path) -> None:
    loop = small_loop(tmp_path)
    before = loop.network.weight.detach().clone()
    loop.run(lambda step, g: {"loss": loop.network(torch.ones(1, 2)).sum() * float("inf")})
    assert torch.equal(loop.network.weight, before)


def test_the_average_lags_behind(tmp_path: Path) -> None:
    loop = small_loop(tmp_path, learning_rate=0.1)
    start = loop.network.weight.detach().clone()
    loop.run(lambda step, g: {"loss": (loop.network(torch.ones(1, 2)) - 9).square().sum()})
    moved = (loop.network.weight - start).abs().sum()
    lagging = (loop.averaged().weight - start).abs().sum()
    assert 0 < lagging < moved


@pytest.mark.parametrize(
    ("caption", "seen"),
    [
        ("a cube on the left of a cone", "a cube on the right of a cone"),
        ("Right of it, the leftmost glass", "Left of it, the rightmost glass"),
        ("a bright copyright sign", "a bright copyright sign"),
    ],
)
def test_a_mirror_swaps_sides(caption: str, seen: str) -> None:
    assert mirrored(caption) == seen
    assert mirrored(seen) == caption


def test_one_caption_in_ten_is_dropped() -> None:
    left = drop_some(["a cube"] * 4000, torch.Generator().manual_seed(0))
    assert set(left) == {"", "a cube"}
    assert 0.08 < left.count("") / 4000 < 0.12
