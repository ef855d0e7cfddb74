"""The latent grid against content whose true way is known: it arrives, and novelty is kept."""

import numpy as np
import pytest
import torch

from impetus.backend.diffusion.latent_motion import LatentMotion, LatentWarp, WarpMode
from impetus.backend.diffusion.latent_warp import warp_latent
from impetus.backend.diffusion.motion import FrameMotion, novelty_map, to_backward

CELLS, FACTOR = 32, 8


def backward_of(matrix: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    size = CELLS * FACTOR
    y, x = np.mgrid[0:size, 0:size] + 0.5
    p = np.stack([x, y], -1) - size / 2
    return np.asarray((p - shift) @ np.linalg.inv(matrix).T - p, np.float32)


def frame(backward: np.ndarray) -> FrameMotion:
    return FrameMotion(backward, novelty_map(backward))


def turned(degrees: float) -> np.ndarray:
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def follow(
    matrix: np.ndarray, shift: tuple[float, float], frames: int = 16, carry: bool = True
) -> tuple[np.ndarray, LatentMotion]:
    """Move cells that know where they truly are; return their errors (n, 2) [cells] at the end."""
    motion, lat = frame(backward_of(matrix, shift)), LatentMotion(FACTOR, carry=carry)
    here = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS)), -1)
    true, known = here.astype(float), np.ones((CELLS, CELLS), bool)
    middle = CELLS / 2 - 0.5
    for _ in range(frames):
        source = lat.step(motion).source.astype(int)
        inside = ((source >= 0) & (source < CELLS)).all(-1)
        at = np.clip(source, 0, CELLS - 1)
        true = (true - middle) @ matrix.T + middle + np.array(shift) / FACTOR
        true, known = true[at[..., 1], at[..., 0]], known[at[..., 1], at[..., 0]] & inside
    return (true - here)[known], lat


@pytest.mark.parametrize("shift", [(3.6, 0.0), (-3.6, 1.2), (0.0, 0.4), (12.0, -3.0)])
def test_a_slow_pan_arrives(shift: tuple[float, float]) -> None:
    error, lat = follow(np.eye(2), shift)
    assert np.abs(error).max() < 0.501
    np.testing.assert_allclose(lat.residual, error[0] * np.ones((CELLS, CELLS, 2)), atol=1e-4)


def test_without_the_residual_a_slow_pan_stays_where_it_was() -> None:
    error, _ = follow(np.eye(2), (3.6, 0.0), carry=False)
    np.testing.assert_allclose(np.abs(error).max(), 16 * 0.45, atol=1e-5)


@pytest.mark.parametrize("degrees", [0.2, 1.0, 5.0, 18.0])
def test_a_turn_arrives(degrees: float) -> None:
    error, _ = follow(turned(degrees), (0, 0))
    assert np.sqrt((error**2).sum(-1).mean()) < 0.6
    assert np.linalg.norm(error, axis=-1).max() < 1.25
    lost, _ = follow(turned(degrees), (0, 0), carry=False)
    assert (lost**2).mean() > 1.5 * (error**2).mean()


@pytest.mark.parametrize("growth", [1.02, 1.1, 0.98])
def test_a_zoom_shows_what_is_within_about_half_a_cell_in_the_first_frame(growth: float) -> None:
    error, _ = follow(growth * np.eye(2), (0, 0))
    in_first = np.abs(error / growth**16)
    assert in_first.max() < (0.55 if growth > 1 else 1.25)
    assert in_first.mean() < 0.4


def test_what_rests_stays() -> None:
    backward = np.zeros((256, 256, 2), np.float32)
    backward[:, 128:, 0] = -3.6
    lat = LatentMotion(FACTOR)
    here = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS)), -1)
    for _ in range(10):
        warp = lat.step(FrameMotion(backward, np.zeros((256, 256), np.float32)))
        np.testing.assert_array_equal(warp.source[:, :16], here[:, :16])
        assert not warp.novelty.any()


def test_a_slow_pan_is_new_in_a_column_for_every_cell_that_it_moved() -> None:
    backward = np.zeros((256, 256, 2), np.float32)
    backward[..., 0] = -3.6
    lat, novel = LatentMotion(FACTOR), []
    for _ in range(20):
        novel.append(lat.step(frame(backward)).novelty)
    columns = np.stack(novel).sum(1)
    assert columns.sum() == 9 * CELLS
    assert set(columns[:, 0]) == {0, CELLS}
    assert not columns[:, 1:].any()


def slow_square(frames: int, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Sums over frames: novelty of cells, and of pixels in cells, behind a square that moves."""
    spent, seen = np.zeros((CELLS, CELLS)), 0.0
    lat = LatentMotion(FACTOR)
    for k in range(frames):
        left = 40 + k * speed
        x = np.arange(256) + 0.5
        inside = np.zeros((256, 256), bool)
        inside[64:128] = (x > left) & (x < left + 64)
        forward = np.where(inside[..., None], (speed, 0.0), 0.0)
        backward, covered = to_backward(forward, None, np.where(inside, 2.0, np.inf))
        novelty = novelty_map(backward, covered=covered)
        seen += novelty.sum() / FACTOR**2
        spent += lat.step(FrameMotion(backward, novelty)).novelty
    return spent, np.array(seen)


@pytest.mark.parametrize("speed", [1.0, 3.6, 11.0])
def test_what_is_revealed_slowly_becomes_new_once(speed: float) -> None:
    frames = int(96 // speed)
    spent, seen = slow_square(frames, speed)
    swept = frames * speed * 64 / FACTOR**2
    assert seen == pytest.approx(swept, rel=0.12)  # pixels at the square's edges come and go
    assert spent.sum() == pytest.approx(swept, rel=0.12)
    assert (spent > 1.01).sum() <= 0.1 * swept
    assert not spent[:8].any()
    assert not spent[16:].any()


def test_active_matter_is_new_in_every_frame_and_keeps_its_way() -> None:
    active = np.zeros((256, 256), np.float32)
    active[64:192, 64:192] = 1
    backward = np.where(active[..., None] > 0, (0.0, 3.2), 0.0).astype(np.float32)
    lat, shifts = LatentMotion(FACTOR), 0.0
    here = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS)), -1)
    for _ in range(10):
        warp = lat.step(FrameMotion(backward, active))
        assert (warp.novelty[8:24, 8:24] == 1).all()
        assert warp.novelty.sum() == 16**2
        shifts += (warp.source - here)[15, 16, 1]
    assert shifts == pytest.approx(4, abs=0.6)


def test_noise_for_motion_does_no_harm() -> None:
    wild = np.random.default_rng(0).normal(0, 30, (256, 256, 2)).astype(np.float32)
    lat = LatentMotion(FACTOR)
    for _ in range(4):
        warp = lat.step(frame(wild))
        assert np.isfinite(warp.source).all()
    assert np.abs(lat.residual).max() < 5


def test_floor_and_ceiling_pass_through() -> None:
    backward = np.zeros((256, 256, 2), np.float32)
    backward[..., 1] = 8
    motion = FrameMotion(backward, novelty_map(backward, floor=0.2, ceiling=0.8))
    novelty = LatentMotion(FACTOR, outside=0.8).step(motion).novelty
    np.testing.assert_allclose(novelty[-1], 0.8)
    np.testing.assert_allclose(novelty[:-1], 0.2)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_a_kept_state_goes_on_to_the_bit(mode: WarpMode) -> None:
    backward = backward_of(turned(3), (2.2, -1.7))
    strip = np.zeros((256, 256), np.float32)
    strip[:, 100:102] = 1  # too little of a cell to be new at once: it waits
    motion = FrameMotion(backward, np.maximum(novelty_map(backward), strip))
    whole, first, second = (LatentMotion(FACTOR, mode) for _ in range(3))
    expected = [whole.step(motion) for _ in range(6)]
    for _ in range(3):
        first.step(motion)
    second.restore(first.state())
    for warp in expected[3:]:
        again = second.step(motion)
        np.testing.assert_array_equal(again.source, warp.source)
        np.testing.assert_array_equal(again.novelty, warp.novelty)
    second.restore({})
    np.testing.assert_array_equal(second.step(motion).source, expected[0].source)


def test_sizes_that_no_cell_divides_and_sizes_that_change() -> None:
    lat = LatentMotion(FACTOR)
    warp = lat.step(frame(np.full((147, 250, 2), -8, np.float32)))
    assert warp.source.shape == (19, 32, 2)
    assert warp.novelty[0].all()
    assert warp.novelty[:, 0].all()
    assert not warp.novelty[1:, 1:].any()
    with pytest.raises(ValueError, match="size of the last frame"):
        lat.step(frame(np.zeros((64, 64, 2), np.float32)))


# ---- the gather itself


def warp_of(x: np.ndarray, y: np.ndarray) -> LatentWarp:
    source = np.stack(np.broadcast_arrays(x, y), -1).astype(np.float32)
    nothing = np.zeros(source.shape[:2], np.float32)
    return LatentWarp(source, nothing, nothing > 0)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_gathering_agrees_with_grid_sample(mode: WarpMode) -> None:
    rng = np.random.default_rng(1)
    z = torch.from_numpy(rng.normal(size=(1, 4, 12, 16)))
    x, y = rng.uniform(-9, 25, (12, 16)), rng.uniform(-8, 20, (12, 16))
    grid = torch.from_numpy(np.stack([2 * x / 15 - 1, 2 * y / 11 - 1], -1))[None]
    expected = torch.nn.functional.grid_sample(
        z, grid, mode=mode, padding_mode="reflection", align_corners=True
    )
    torch.testing.assert_close(warp_latent(z, warp_of(x, y), mode), expected, atol=1e-5, rtol=0)


def test_whole_cells_are_copied_to_the_bit_in_half_precision() -> None:
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).half()
    row, column = np.mgrid[0:8, 0:8]
    moved = warp_latent(z, warp_of(column - 2, row), "nearest")
    assert torch.equal(moved[..., 2:], z[..., :-2])


def test_blended_noise_is_weak_and_can_be_restored() -> None:
    z = torch.randn(1, 16, 64, 64, generator=torch.Generator().manual_seed(0))
    row, column = np.mgrid[0:64, 0:64]
    warp = warp_of(column + 0.5, row + 0.5)
    assert warp_latent(z, warp, "bilinear").std() == pytest.approx(0.5, abs=0.02)
    restored = warp_latent(z, warp, "bilinear", restore_variance=True)
    assert restored.std() == pytest.approx(1.0, abs=0.04)
    ramp = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    moved = warp_latent(ramp, warp, "bilinear", restore_variance=True)
    expected = warp_latent(ramp, warp, "bilinear")
    torch.testing.assert_close(moved[..., 8:-8], expected[..., 8:-8], atol=1e-4, rtol=0)


def test_the_cubic_blend_keeps_what_is_fine() -> None:
    """After 16 steps of 0.45 cells waves of 5 cells are still there; of bilinear ones none is."""
    row, column = np.mgrid[0:32, 0:96]
    warp = warp_of(column - 0.45, row)
    wave = torch.sin(torch.arange(96) * (2 * np.pi / 5)).expand(1, 1, 32, 96)
    expected = torch.sin((torch.arange(96) - 16 * 0.45) * (2 * np.pi / 5))[32:64]
    left = {}
    for mode in ("bilinear", "cubic"):
        moved = wave
        for _ in range(16):
            moved = warp_latent(moved, warp, mode)
        left[mode] = float((moved[0, 0, 16, 32:64] - expected).square().mean().sqrt())
    assert left["cubic"] < 0.15
    assert left["bilinear"] > 0.6


def test_the_cubic_blend_keeps_noise_as_strong() -> None:
    z = torch.randn(1, 16, 64, 64, generator=torch.Generator().manual_seed(0))
    row, column = np.mgrid[0:64, 0:64]
    for shift in (0.0, 0.25, 0.5):
        warp = warp_of(column + shift, row + 0.5)
        restored = warp_latent(z, warp, "cubic", restore_variance=True)
        assert restored.std() == pytest.approx(1.0, abs=0.05)
    whole = warp_of(column, row)
    torch.testing.assert_close(warp_latent(z, whole, "cubic"), z, atol=1e-5, rtol=0)


def test_a_warp_of_another_size_is_named() -> None:
    with pytest.raises(ValueError, match="expected a warp of 8 x 8"):
        warp_latent(torch.zeros(1, 4, 8, 8), warp_of(np.zeros((4, 4)), np.zeros((4, 4))))
