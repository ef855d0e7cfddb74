"""The flow network: published weights, gradients, sizes, memory, and what the built-in one sees."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from impetus.backend.contract.errors import ModelError, ShotError
from impetus.backend.diffusion.flow_network import (
    FlowNetwork,
    careful_estimate,
    estimate_flow,
    load_flow_network,
    open_flow_network,
)
from impetus.backend.diffusion.models import to_tensor
from impetus.backend.diffusion.raft.correlation import Correlation
from impetus.backend.diffusion.raft.published import in_our_names
from tests import published_raft

FORMS = ("small", "large")
COUNTS = {"small": 990_162, "large": 5_257_536}
LAYOUTS = {"torchvision": published_raft.torchvision, "authors": published_raft.authors}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def published(layout: str, form: str) -> dict[str, torch.Tensor]:
    """Weights with a published file's names: each tensor's numbers come from its own name."""
    state = {}
    for name, shape in LAYOUTS[layout](form).items():
        plain = name.replace("downsample.1", "norm3") if layout == "authors" else name
        numbers = np.random.default_rng(sum(plain.encode()) + len(plain)).uniform(0.1, 0.2, shape)
        state[name] = torch.tensor(numbers, dtype=torch.float32)
    return state


def textured(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A picture (H, W, 3) of soft spots at several scales."""
    rng = np.random.default_rng(seed)
    layers = [
        gaussian_filter(rng.standard_normal((*size, 3)), (sigma, sigma, 0)) * sigma
        for sigma in (1.5, 4, 12)
    ]
    picture = sum(layers) / (3 * np.std(sum(layers)))
    return np.uint8(np.clip(127.5 * (1 + picture), 0, 255))


def images(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_as_many_as_published(form: str) -> None:
    network = FlowNetwork(form)
    assert sum(weights.numel() for weights in network.parameters()) == COUNTS[form]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_published_names_and_shapes_are_ours(layout: str, form: str) -> None:
    ours = {name: tuple(t.shape) for name, t in FlowNetwork(form).state_dict().items()}
    theirs = in_our_names(published(layout, form))
    assert {name: tuple(t.shape) for name, t in theirs.items()} == ours


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_published_file_opens_with_each_weight_in_its_place(tmp_path: Path, layout: str) -> None:
    state = published(layout, "small")
    save_file(state, tmp_path / "raft.safetensors")
    network = open_flow_network(tmp_path / "raft.safetensors", "cpu")
    names = {
        "torchvision": (
            "context_encoder.layer2.0.convnormrelu2.0.weight",
            "feature_encoder.layer3.0.downsample.0.bias",
            "update_block.recurrent_block.convgru1.convr.weight",
            "update_block.motion_encoder.convflow2.0.weight",
        ),
        "authors": (
            "module.cnet.layer2.0.conv2.weight",
            "module.fnet.layer3.0.downsample.0.bias",
            "module.update_block.gru.convr.weight",
            "module.update_block.encoder.convf2.weight",
        ),
    }[layout]
    ours = (
        network.context.blocks[2].convs[1].weight,
        network.features.blocks[4].shortcut.bias,
        network.update.units[0].reset.weight,
        network.update.flow[1].weight,
    )
    for name, weights in zip(names, ours, strict=True):
        torch.testing.assert_close(weights.detach(), state[name], rtol=0, atol=0)
    assert network.form == "small"
    assert not any(weights.requires_grad for weights in network.parameters())


@pytest.mark.parametrize("form", FORMS)
def test_gradients_reach_both_pictures(form: str) -> None:
    network = FlowNetwork(form).eval().requires_grad_(False)
    first, second = images(2, 1, 3, 64, 72)
    first.requires_grad_(True)
    second.requires_grad_(True)
    network(first, second, 2)[-1].abs().mean().backward()
    for picture in (first, second):
        assert picture.grad is not None
        assert torch.isfinite(picture.grad).all()
        assert (picture.grad.abs() > 0).float().mean() > 0.9


def test_one_iterations_flow_does_not_carry_gradients_through_the_next_lookup() -> None:
    """As the paper has it, a lookup's place is a constant: what is found there is not."""
    network = FlowNetwork().eval().requires_grad_(False)
    start = torch.zeros(1, 2, 64, 64, requires_grad=True)
    flow = network(*images(2, 1, 3, 64, 64), 1, start)[-1]
    assert not flow.requires_grad


@pytest.mark.parametrize(("height", "width"), [(64, 64), (72, 101), (37, 50), (8, 130)])
def test_every_size_is_padded_inside(height: int, width: int) -> None:
    flows = FlowNetwork().eval()(*images(2, 2, 3, height, width), 3)
    assert [tuple(flow.shape) for flow in flows] == [(2, 2, height, width)] * 3
    assert all(torch.isfinite(flow).all() for flow in flows)


def test_the_last_flow_alone_is_that_of_all_iterations() -> None:
    network = FlowNetwork().eval()
    pair = images(2, 1, 3, 64, 64)
    torch.testing.assert_close(network.estimate(*pair, 3), network(*pair, 3)[-1])


def test_going_on_from_a_flow_differs_from_starting_at_none() -> None:
    network = FlowNetwork().eval()
    pair = images(2, 1, 3, 64, 64)
    cold = network.estimate(*pair, 1)
    torch.testing.assert_close(network.estimate(*pair, 1, torch.zeros(1, 2, 64, 64)), cold)
    far = torch.full((1, 2, 64, 64), 16.0)
    warm = network.estimate(*pair, 1, far)
    assert (warm - cold).abs().mean() > 1


def test_memory_bounded_lookup_has_the_same_numbers_and_gradients() -> None:
    results = []
    for limit in (2**30, 0):
        network = FlowNetwork(volume_limit=limit).eval()
        torch.manual_seed(5)
        network.load_state_dict(
            {n: torch.randn_like(t) * 0.05 for n, t in network.state_dict().items()}
        )
        first, second = images(2, 1, 3, 64, 80)
        second.requires_grad_(True)
        flow = network(first, second, 2)[-1]
        flow.square().sum().backward()
        results.append((flow.detach(), second.grad))
    for kept, computed_again in zip(*results, strict=True):
        assert (computed_again - kept).abs().max() < 1e-4 * kept.abs().max()


def test_correlation_in_pieces_is_exact_and_zero_outside() -> None:
    first, second = torch.randn(2, 2, 16, 9, 12)
    place = torch.rand(2, 2, 9, 12) * 14 - 1
    whole = Correlation(first, second, 2)
    pieces = Correlation(first, second, 2, volume_limit=0, chunk_limit=5000)
    assert whole.volume is not None
    assert pieces.volume is None
    assert pieces.chunk < 30
    torch.testing.assert_close(pieces.lookup(place), whole.lookup(place))
    assert (whole.lookup(torch.full((2, 2, 9, 12), 99.0)) == 0).all()


def test_the_window_is_looked_up_by_columns() -> None:
    """Channel (i, j) of a window holds the place i columns and j rows on: as published weights."""
    first, second = torch.randn(2, 1, 8, 8, 8)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    found = Correlation(first, second, 1).lookup(torch.stack([x, y])[None])
    assert found.shape == (1, 4 * 9, 8, 8)
    for channel, (right, down) in enumerate([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]):
        wanted = (first[0, :, 3, 4] * second[0, :, 3 + down, 4 + right]).sum() / 8**0.5
        torch.testing.assert_close(found[0, channel, 3, 4], wanted)


def test_pictures_of_two_sizes_and_no_iterations_are_refused() -> None:
    network = FlowNetwork().eval()
    with pytest.raises(ShotError, match=r"one size.*\(1, 3, 64, 64\) and \(1, 3, 64, 72\)"):
        network(images(1, 3, 64, 64), images(1, 3, 64, 72))
    with pytest.raises(ShotError, match="1 iteration or more, got 0"):
        network(*images(2, 1, 3, 64, 64), 0)
    with pytest.raises(ShotError, match="8 bit"):
        estimate_flow(network, np.zeros((64, 64, 3)), np.zeros((64, 64, 3)))


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"fnet.conv1.weight": 1}))


def write_archive(path: Path) -> None:
    torch.save({"fnet.conv1.weight": torch.zeros(1)}, path)


def write_noise(path: Path) -> None:
    path.write_bytes(bytes(range(200)))


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


def write_other(path: Path) -> None:
    save_file({"unet.conv_in.weight": torch.zeros(3)}, path)


def write_half(path: Path) -> None:
    state = published("torchvision", "small")
    del state["feature_encoder.conv.weight"]
    save_file(state, path)


def write_wide(path: Path) -> None:
    state = published("torchvision", "small")
    state["feature_encoder.conv.bias"] = torch.zeros(64)
    save_file(state, path)


def write_nan(path: Path) -> None:
    state = published("torchvision", "small")
    state["feature_encoder.conv.bias"][3] = float("nan")
    save_file(state, path)


def write_more(path: Path) -> None:
    save_file(published("torchvision", "small") | {"extra": torch.zeros(1)}, path)


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (write_pickle, "got a pickle"),
        (write_archive, "got a pickle"),
        (write_noise, "whole safetensors file"),
        (write_nothing, "whole safetensors file"),
        (write_other, "weights of something else"),
        (write_half, "features.head.weight.*missing"),
        (write_wide, r"features.head.bias of shape \(128,\).*\(64,\)"),
        (write_nan, "NaN or infinity in features.head.bias"),
        (write_more, "got extra as well"),
    ],
)
def test_bad_files_are_refused_in_a_sentence(tmp_path: Path, write, sentence: str) -> None:
    write(tmp_path / "bad.safetensors")
    with pytest.raises(ModelError, match=sentence):
        load_flow_network("bad", tmp_path)


def test_names_lead_to_files_and_folders_of_the_models_folder(tmp_path: Path) -> None:
    state = published("torchvision", "small")
    (tmp_path / "mine").mkdir()
    save_file(state, tmp_path / "mine" / "raft.safetensors")
    save_file(state, tmp_path / "other.safetensors")
    assert load_flow_network("mine", tmp_path, "cpu").form == "small"
    assert load_flow_network("other", tmp_path, "cpu").form == "small"
    with pytest.raises(ModelError, match="found none"):
        load_flow_network("absent", tmp_path)
    with pytest.raises(ModelError, match="plain name"):
        load_flow_network("../mine", tmp_path)
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    with pytest.raises(ModelError, match="got a AutoencoderKL"):
        load_flow_network("mine", tmp_path)
    (tmp_path / "mine" / "config.json").unlink()
    (tmp_path / "mine" / "raft.safetensors").rename(tmp_path / "mine" / "raft.pth")
    with pytest.raises(ModelError, match="one safetensors file"):
        load_flow_network("mine", tmp_path)


def test_a_folder_of_the_tiny_model_is_no_flow_network(tmp_path: Path) -> None:
    (tmp_path / "tiny-like").mkdir()
    (tmp_path / "tiny-like" / "model_index.json").write_text("{}")
    with pytest.raises(ModelError, match="diffusion pipeline"):
        load_flow_network("tiny-like", tmp_path)


@pytest.fixture(scope="module")
def built_in() -> FlowNetwork:
    return load_flow_network(device="cpu")


@pytest.mark.parametrize("move", [(8, 0), (0, 8), (-8, 3), (5, -12)])
def test_the_built_in_network_sees_a_shift(built_in: FlowNetwork, move: tuple[int, int]) -> None:
    wide = textured((192, 224))
    first = wide[32:160, 32:192]
    second = wide[32 - move[1] : 160 - move[1], 32 - move[0] : 192 - move[0]]
    flow = estimate_flow(built_in, first, second)
    inner = flow[20:-20, 20:-20]
    assert flow.dtype == np.float32
    assert np.linalg.norm(inner - np.array(move), axis=2).mean() < 1.0  # an eighth of a cell


def test_the_built_in_network_sees_nothing_where_nothing_moves(built_in: FlowNetwork) -> None:
    picture = textured((100, 140), seed=4)
    assert np.abs(estimate_flow(built_in, picture, picture)).mean() < 0.2


def test_the_built_in_network_sees_turned_pictures_turned(built_in: FlowNetwork) -> None:
    """Mirroring both pictures mirrors the flow: nothing in it prefers a side."""
    wide = textured((160, 192), seed=2)
    first, second = wide[16:144, 16:176], wide[10:138, 8:168]
    plain = _once(built_in, first, second)
    mirrored = _once(built_in, first[:, ::-1], second[:, ::-1])[:, ::-1] * [-1, 1]
    assert np.linalg.norm(plain - mirrored, axis=2)[20:-20, 20:-20].mean() < 1.5


@pytest.mark.parametrize("size", [(128, 160), (131, 157), (90, 160)])
def test_a_careful_estimate_of_mirrored_pictures_is_the_mirrored_one(
    built_in: FlowNetwork, size: tuple[int, int]
) -> None:
    """Of odd sizes, too, and of those too small to be halved."""
    high, wide = size
    picture = textured((high + 20, wide + 20), seed=2)
    first, second = picture[10:-10, 10:-10], picture[4 : 4 + high, 2 : 2 + wide]
    plain = estimate_flow(built_in, first, second)
    mirrored = estimate_flow(built_in, first[:, ::-1], second[:, ::-1])[:, ::-1] * [-1, 1]
    assert plain.shape == (*size, 2)
    assert np.abs(plain - mirrored).max() < 1e-2
    assert np.linalg.norm(plain - [8, 6], axis=2)[20:-20, 20:-20].mean() < 1.0


def test_a_careful_estimate_finds_what_is_beyond_the_reach_of_a_plain_one(
    built_in: FlowNetwork,
) -> None:
    wide = textured((192, 320), seed=3)
    first, second = wide[:, 64:256], wide[:, :192]  # 64 px to the right
    inner = np.s_[20:-20, 20:100]
    errors = [
        np.linalg.norm(estimate(built_in, first, second)[inner] - [64, 0], axis=2).mean()
        for estimate in (_once, estimate_flow)
    ]
    assert errors[1] < 0.7 * errors[0]


def test_a_careful_estimate_takes_a_batch(built_in: FlowNetwork) -> None:
    first, second = images(2, 3, 128, 136), images(2, 3, 128, 136, seed=1)
    with torch.inference_mode():
        both = careful_estimate(built_in, first, second, 4)
        single = careful_estimate(built_in, first[1:], second[1:], 4)
    torch.testing.assert_close(both[1:], single, rtol=1e-3, atol=1e-2)


@torch.inference_mode()
def _once(network: FlowNetwork, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    pair = [to_tensor(picture) for picture in (first, second)]
    return network.estimate(*pair)[0].permute(1, 2, 0).numpy()


def test_the_built_in_network_is_small(built_in: FlowNetwork) -> None:
    from impetus.backend.diffusion.raft.published import PRESETS

    files = list((PRESETS / "flow").iterdir())
    assert {file.name for file in files} == {
        "flow_network.safetensors",
        "config.json",
        "README.md",
    }
    assert sum(file.stat().st_size for file in files) < 5 * 10**6
