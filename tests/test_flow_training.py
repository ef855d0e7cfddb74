"""Training of the flow network: pairs whose motion is exact, the loss, and runs that go on."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from impetus.backend.contract.errors import TrainingDataError
from impetus.backend.diffusion.flow_network import FlowNetwork, load_flow_network
from impetus.backend.training import flow_training
from impetus.backend.training.data_set import DataSet
from impetus.backend.training.flow_augmentation import (
    as_batch,
    cut,
    mirrored,
    relight,
    scaled,
    transposed,
)
from impetus.backend.training.flow_pairs import (
    CutOuts,
    FlowPair,
    Layer,
    clip_steps,
    draw,
    paste,
    random_move,
)
from impetus.backend.training.flow_training import (
    Phase,
    flow_losses,
    phase_at,
    train_flow,
    write_flow_network,
)

SIZE = (96, 112)
MOVE = (5.0, -3.0)  # px a frame, of every made clip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def texture(size: tuple[int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((*size, 3))
    soft = sum(s * gaussian_filter(noise, (s, s, 0)) for s in (1.5, 4))
    return np.uint8(np.clip(127 + 45 * soft / soft.std(), 0, 255))


def write_sample(folder: Path, seed: int, frames: int) -> None:
    folder.mkdir(parents=True)
    wide = texture((SIZE[0] + 40, SIZE[1] + 40), seed)
    index = np.zeros(SIZE, np.uint8)
    index[30:70, 40:90] = 1
    flow = np.full((*SIZE, 2), MOVE, np.float16)
    for frame in range(1, frames + 1):
        x, y = (int(20 - (frame - 1) * step) for step in MOVE)
        color = wide[y : y + SIZE[0], x : x + SIZE[1]]
        Image.fromarray(color).save(folder / f"color_{frame:04d}.png")
        fields = {
            "depth": np.ones(SIZE, np.float16),
            "normal": np.zeros((*SIZE, 3), np.int8),
            "index": index,
            "edges": np.zeros(SIZE, np.uint8),
        }
        if frames > 1:
            valid = np.ones(SIZE, bool)
            valid[:, -5:] = valid[:3] = False
            fields |= {"forward": flow, "backward": -flow, "valid": valid}
        np.savez(folder / f"geometry_{frame:04d}.npz", **fields)
    about = {
        "caption": "spots",
        "seed": seed,
        "renderer": "cycles",
        "frames": frames,
        "size": [SIZE[1], SIZE[0]],
        "camera_to_world": np.tile(np.eye(4), (frames, 1, 1)).tolist(),
        "intrinsics": [[100, 100, 56, 48]] * frames,
        "held_out": seed % 16 == 0,
        "kind": "test",
        "objects": ["Box"],
    }
    (folder / "scene.json").write_text(json.dumps(about))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed in range(1, 5):
        write_sample(folder / "pictures" / f"{seed:06d}", seed, 1)
    for seed in range(16, 22):
        write_sample(folder / "clips" / f"{seed:06d}", seed, 3)
    return folder


def mismatch(pair: FlowPair) -> float:
    """Mean difference [0 to 255] of visible pixels and what is where their motion leads."""
    y, x = np.mgrid[: pair.known.shape[0], : pair.known.shape[1]].astype(np.float32)
    at_target = cv2.remap(
        np.ascontiguousarray(pair.second),
        x + pair.flow[..., 0],
        y + pair.flow[..., 1],
        cv2.INTER_LINEAR,
    )
    inner = cv2.erode(pair.visible.astype(np.uint8), np.ones((5, 5))) > 0
    return float(np.abs(at_target.astype(float) - pair.first)[inner].mean())


def test_steps_of_clips_go_forward_and_back(data: Path) -> None:
    steps = clip_steps(DataSet(data), held_out=False, both_ways=True)
    assert [(step.start, step.end) for step in steps[:4]] == [(1, 2), (2, 1), (2, 3), (3, 2)]
    assert len(steps) == 5 * 4
    assert len(clip_steps(DataSet(data), held_out=True, both_ways=False)) == 2
    for step, sign in zip(steps[:2], (1, -1), strict=True):
        pair = step.read()
        np.testing.assert_array_equal(pair.flow[10, 10], np.multiply(MOVE, sign))
        assert mismatch(pair) < 0.5


def test_motion_that_is_not_finite_is_not_known(data: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "clips" / "000017", 17, 2)
    path = tmp_path / "clips" / "000017" / "geometry_0001.npz"
    with np.load(path) as stored:
        fields = dict(stored)
    fields["forward"][4, 5] = np.nan
    fields["forward"][6, 7, 0] = np.inf
    fields["forward"][8, 9] = (-300, 300)  # past the camera
    np.savez(path, **fields)
    pair = clip_steps(DataSet(tmp_path), held_out=False, both_ways=False)[0].read()
    assert not pair.known[4, 5]
    assert not pair.known[6, 7]
    assert not pair.known[8, 9]
    assert pair.known.sum() == SIZE[0] * SIZE[1] - 3
    assert np.isfinite(pair.flow).all()


@pytest.mark.parametrize("seed", range(6))
def test_pasted_pairs_have_exact_motion(data: Path, seed: int) -> None:
    cut_outs = CutOuts(DataSet(data))
    assert len(cut_outs.objects) == 4
    pair = paste(cut_outs, np.random.default_rng(seed), (96, 128))
    assert pair.known.all()
    assert pair.visible.mean() > 0.2
    assert mismatch(pair) < 4  # of about 70 between unrelated pixels; the rest is interpolation
    assert np.abs(pair.flow).max() < 250


def test_a_bent_layer_moves_as_it_says() -> None:
    y, x = np.mgrid[:96, :128].astype(np.float32)
    bend = np.stack([4 * np.sin(y / 20), 3 * np.cos(x / 17)], axis=2).astype(np.float32)
    move = random_move(np.random.default_rng(3), (96, 128), still=0.0, largest=10.0)
    spots = np.concatenate([texture((96, 128), 3), np.full((96, 128, 1), 255, np.uint8)], axis=2)
    first, second, flow = draw(Layer(spots, np.eye(3), move, bend, cv2.BORDER_REFLECT), (96, 128))
    inside = cv2.remap(np.ones((96, 128)), x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    everywhere = np.ones((96, 128), bool)
    pair = FlowPair(first[..., :3], second[..., :3], flow, everywhere, inside > 0.99)
    assert mismatch(pair) < 3


def test_what_is_hidden_or_gone_is_told() -> None:
    """A cut-out moves to the right over a ground that stays: it hides, and it uncovers."""
    from impetus.backend.training.flow_pairs import _seen_again

    top, top_there = np.zeros((20, 30), np.int32), np.zeros((20, 30), np.int32)
    top[5:15, 5:10], top_there[5:15, 12:17] = 1, 1
    flow = np.zeros((20, 30, 2), np.float32)
    flow[5:15, 5:10, 0] = 7
    flow[0, 0] = (-1, 0)
    visible = _seen_again(flow, top, top_there)
    hidden = np.zeros((20, 30), bool)
    hidden[5:15, 12:17] = hidden[0, 0] = True
    np.testing.assert_array_equal(visible, ~hidden)


CHANGES: dict[str, Callable[[FlowPair], FlowPair]] = {
    "mirrored top to bottom": lambda pair: mirrored(pair, 0),
    "mirrored left to right": lambda pair: mirrored(pair, 1),
    "transposed": transposed,
    "larger": lambda pair: scaled(pair, 144, 224),
    "smaller": lambda pair: scaled(pair, 72, 84),
    "cut": lambda pair: cut(pair, (64, 64), np.random.default_rng(2)),
    "cut larger": lambda pair: cut(pair, (128, 128), np.random.default_rng(4)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_keep_the_motion_exact(data: Path, change: str) -> None:
    pair = clip_steps(DataSet(data), held_out=False, both_ways=False)[0].read()
    changed = CHANGES[change](pair)
    assert changed.first.shape == changed.second.shape == (*changed.known.shape, 3)
    assert mismatch(changed) < 3
    assert np.abs(changed.flow).max() > 1


def test_light_changes_colours_within_their_range(data: Path) -> None:
    picture = texture((40, 50), 0).astype(np.float32) / 255
    random = np.random.default_rng(0)
    changed = [relight(picture, picture, random) for _ in range(20)]
    assert all(image.dtype == np.float32 for pair in changed for image in pair)
    assert all(image.min() >= 0 and image.max() <= 1 for pair in changed for image in pair)
    assert np.mean([np.abs(first - picture).mean() for first, _ in changed]) > 0.03
    apart = [np.abs(first - second).mean() for first, second in changed]
    assert 0.003 < np.mean(apart) < 0.1


def test_loss_counts_known_pixels_hidden_ones_too(data: Path) -> None:
    pair = clip_steps(DataSet(data), held_out=False, both_ways=False)[0].read()
    hidden = np.zeros(SIZE, bool)
    unknown = FlowPair(pair.first, pair.second, pair.flow, hidden, hidden)
    network = FlowNetwork()
    assert float(flow_losses(network, as_batch([unknown]), 2)["loss"].detach()) == 0.0
    seen = float(flow_losses(network, as_batch([pair]), 2)["loss"].detach())
    blind = FlowPair(pair.first, pair.second, pair.flow, pair.known, hidden)
    assert float(flow_losses(network, as_batch([blind]), 2)["loss"].detach()) == seen > 0


def test_loss_weighs_later_iterations_more(data: Path) -> None:
    """Each update is made one cell to the right, so that how far off each iteration is is known."""
    pair = clip_steps(DataSet(data), held_out=False, both_ways=False)[0].read()
    network = FlowNetwork()
    torch.nn.init.zeros_(network.update.head[1].weight)
    network.update.head[1].bias.data = torch.tensor([1.0, 0.0])
    values = flow_losses(network, as_batch([pair]), 3)
    away = [abs(MOVE[0] - 8 * n) + abs(MOVE[1]) for n in (1, 2, 3)]
    wanted = 0.64 * away[0] + 0.8 * away[1] + away[2]
    assert float(values["loss"].detach()) == pytest.approx(wanted, rel=1e-4)
    assert float(values["error"]) == pytest.approx(np.hypot(MOVE[0] - 24, MOVE[1]), rel=1e-4)


def test_phases_follow_one_another() -> None:
    found = [phase_at(progress) for progress in np.linspace(0, 1.2, 50)]
    assert list(dict.fromkeys(found)) == list(flow_training.PHASES)
    later = [phase_at(progress, 1) for progress in np.linspace(0, 1.2, 50)]
    assert list(dict.fromkeys(later)) == list(flow_training.LATER_PHASES)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    phases = (Phase(0.5, (64, 64), 1, 2, 0.5), Phase(1.0, (72, 64), 1, 2, 0.5))
    monkeypatch.setattr(flow_training, "PHASES", phases)
    monkeypatch.setattr(flow_training, "LATER_PHASES", phases)


def test_a_killed_run_goes_on_to_the_same_bytes(
    data: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_flow(data, tmp_path / "whole", 1, 3, steps=6).state_dict()
    honest = flow_training.flow_losses
    calls = iter(range(100))

    def dying(*arguments: object) -> dict[str, torch.Tensor]:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return honest(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(flow_training, "flow_losses", dying)
    with pytest.raises(KeyboardInterrupt):
        train_flow(data, tmp_path / "killed", 1, 3, steps=6, save_seconds=0.0)
    monkeypatch.setattr(flow_training, "flow_losses", honest)
    lines: list[str] = []
    resumed = train_flow(data, tmp_path / "killed", 1, 3, steps=6, say=lines.append).state_dict()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert lines[-1].startswith("Step 6,")
    other = train_flow(data, tmp_path / "other", 1, 4, steps=6).state_dict()
    assert not all(torch.equal(other[name], whole[name]) for name in whole)


def test_training_learns_and_a_new_leg_goes_on(data: Path, tmp_path: Path, quick: None) -> None:
    train_flow(data, tmp_path, 1, 0, steps=21)
    train_flow(data, tmp_path, 1, 0, steps=10)
    log = (tmp_path / "flow_network.jsonl").read_text()
    entries = [json.loads(line) for line in log.splitlines()]
    assert [entry["step"] for entry in entries] == [0, 10, 20, 30]
    assert np.mean([e["loss"] for e in entries[-2:]]) < 0.5 * entries[0]["loss"]
    assert (tmp_path / "flow_network.png").stat().st_size > 1000


def test_training_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(TrainingDataError, match="found none"):
        train_flow(tmp_path, tmp_path / "state", 1)


def test_a_trained_network_is_written_so_that_it_opens(tmp_path: Path) -> None:
    network = FlowNetwork()
    write_flow_network(network, tmp_path / "mine")
    opened = load_flow_network("mine", tmp_path, "cpu")
    for name, weights in network.state_dict().items():
        torch.testing.assert_close(opened.state_dict()[name], weights, rtol=1e-3, atol=1e-4)
    assert (tmp_path / "mine" / "flow_network.safetensors").stat().st_size < 2.2e6
