"""The measures of pictures and videos: known values, invariances, and what they must tell apart."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.backend.contract.errors import ModelError
from impetus.backend.evaluation.measures.embedding import embedding, layout_embedding, similarity
from impetus.backend.evaluation.measures.pictures import gradient_energy, psnr, ssim, ssim_map
from impetus.backend.evaluation.measures.videos import (
    dis_flow,
    flow_error,
    frame_consistency,
    in_frame,
    motion_consistency,
    undo,
    warping_error,
)

SIZE = (48, 64)


def texture(seed: int = 0, width: int = 64) -> NDArray[np.uint8]:
    """A smooth random picture, wide enough to pan over."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=(SIZE[0], width, 3))
    smooth = gaussian_filter(noise, (2, 2, 0), mode="wrap")
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def panned(step: int, count: int = 4) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]]:
    """A camera that pans over a texture: its content moves left by `step` a frame."""
    whole = texture(width=64 + step * count)
    video = [np.ascontiguousarray(whole[:, step * k : step * k + 64]) for k in range(count)]
    return video, [np.tile(np.float32([-step, 0]), (*SIZE, 1))] * (count - 1)


def test_psnr_of_a_known_error() -> None:
    a = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(a, a) == np.inf
    assert psnr(a, a + np.uint8(51)) == pytest.approx(-20 * np.log10(0.2), abs=1e-9)
    half = np.zeros((8, 8), bool)
    half[:4] = True
    b = a.copy()
    b[4:] = 0
    assert psnr(a, b, half) == np.inf


def test_ssim_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(1)
    a = texture()
    b = np.clip(a + rng.normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    found = ssim_map(a, b)
    steps = np.arange(-5, 6)
    line = np.exp(-(steps**2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    x, y = ((p / 255.0) @ np.array((0.299, 0.587, 0.114)) for p in (a, b))
    for row, column in ((5, 5), (20, 33), (40, 50)):
        window = np.s_[row - 5 : row + 6, column - 5 : column + 6]
        u, v = x[window], y[window]
        mu, mv = (weights * u).sum(), (weights * v).sum()
        su, sv = (weights * (u - mu) ** 2).sum(), (weights * (v - mv) ** 2).sum()
        both = (weights * (u - mu) * (v - mv)).sum()
        c1, c2 = 0.01**2, 0.03**2
        wanted = (2 * mu * mv + c1) * (2 * both + c2) / ((mu**2 + mv**2 + c1) * (su + sv + c2))
        assert found[row, column] == pytest.approx(wanted, abs=1e-9)
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, b) == pytest.approx(found.mean())
    assert ssim(a, b) < 0.9


def test_gradient_energy_falls_with_blur_and_stays_inside_its_mask() -> None:
    from scipy.ndimage import gaussian_filter

    sharp = texture()
    soft = gaussian_filter(sharp, (2, 2, 0))
    assert gradient_energy(soft) < 0.7 * gradient_energy(sharp)
    mask = np.zeros(SIZE, bool)
    mask[:, :20] = True
    changed = sharp.copy()
    changed[:, 20:] = 0
    assert gradient_energy(changed, mask) == gradient_energy(sharp, mask)


def test_a_pan_undone_is_consistent_and_a_wrong_motion_is_not() -> None:
    video, forward = panned(5)
    assert motion_consistency(video, forward) == pytest.approx(1, abs=0.02)
    assert warping_error(video, forward) < 1e-3
    still = [np.zeros_like(motion) for motion in forward]
    assert motion_consistency(video, still) < 0.7
    assert warping_error(video, still) > 0.1


def test_a_mask_keeps_what_appears_out_of_the_score() -> None:
    video, forward = panned(4)
    patch = np.zeros((*SIZE, 3), np.uint8)
    patch[10:30, 10:30] = 255
    spoilt = [video[0], *[np.maximum(frame, patch) for frame in video[1:]]]
    clean = undo(patch, forward[0])[..., 0] == 0
    masks = [clean, *[clean & (patch[..., 0] == 0) for _ in forward[1:]]]
    assert warping_error(spoilt, forward, masks) < warping_error(spoilt, forward) / 5


def test_what_leaves_the_frame_is_not_asked_for() -> None:
    _, forward = panned(5)
    assert in_frame(forward[0]).mean() == pytest.approx(1 - 5 / 64)


def test_flow_error_is_in_pixels() -> None:
    truth = np.zeros((*SIZE, 2), np.float32)
    l1, epe = flow_error(truth + np.float32([3, 4]), truth)
    assert (l1, epe) == (pytest.approx(3.5), pytest.approx(5))


def test_the_layout_embedding_knows_a_picture_again() -> None:
    a = texture(0)
    vectors = layout_embedding([a, texture(1), np.zeros_like(a)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    nearly = np.clip(a.astype(int) + 10, 0, 255).astype(np.uint8)
    assert similarity(a, nearly) > 0.95 > 0.6 > similarity(a, texture(1))
    assert frame_consistency([a, a, a], layout_embedding) == pytest.approx(1)


def test_clip_is_used_where_its_weights_lie(tmp_path: Path) -> None:
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

    name, _ = embedding(tmp_path)
    assert name.startswith("layout")
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=16, projection_dim=8,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path / "clip")
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(tmp_path / "clip")
    name, embed = embedding(tmp_path)
    assert name.startswith("CLIP")
    vectors = embed([texture(0), texture(1)])
    assert vectors.shape == (2, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    (tmp_path / "clip" / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError):
        embedding(tmp_path)


def test_lpips_loads_its_published_layout(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from impetus.backend.evaluation.measures.lpips import CONVOLUTIONS, Lpips, load_lpips

    torch.manual_seed(0)
    blank = Lpips()
    assert sum(p.numel() for p in blank.parameters()) == 2_469_696 + 1_152
    weights = {f"features.{key}": value for key, value in blank.features.state_dict().items()}
    for k, shape in enumerate(CONVOLUTIONS.values()):
        weights[f"lin{k}.model.1.weight"] = torch.rand(1, shape[1], 1, 1)
    save_file(weights, tmp_path / "lpips.safetensors")
    network = load_lpips(tmp_path)
    a, b = (np.pad(texture(k), ((8, 8), (0, 0), (0, 0)), mode="wrap") for k in (0, 1))
    near = np.clip(a.astype(int) + 5, 0, 255).astype(np.uint8)
    assert network.distance(a, a) == 0
    assert 0 < network.distance(a, near) < network.distance(a, b)
    with pytest.raises(ModelError):
        load_lpips(tmp_path / "absent")


def test_dis_finds_a_shift() -> None:
    image = texture(width=96)
    found = dis_flow(image, np.roll(image, 3, axis=1))
    np.testing.assert_allclose(np.median(found[20:-20, 20:-20], axis=(0, 1)), (3, 0), atol=0.1)
