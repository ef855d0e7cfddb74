"""Pictures moved by whole cells against the same pictures moved truly."""

import numpy as np
import pytest
import torch

from impetus.backend.diffusion.latent_motion import LatentMotion
from impetus.backend.diffusion.motion import FrameMotion, novelty_map
from impetus.backend.diffusion.true_place import to_true_place

CELLS, FACTOR = 24, 8
SIZE = CELLS * FACTOR
RIM = 3 * FACTOR
"What lies nearer to the edge than this may have come from beyond it."


def scene(place: np.ndarray) -> torch.Tensor:
    """Show a smooth picture (1, 1, H, W) at pixels (H, W, 2), from the middle."""
    x, y = place[..., 0], place[..., 1]
    shown = np.sin(x / 9) * np.cos(y / 7) + 0.5 * np.sin((x + y) / 13)
    return torch.from_numpy(shown.astype(np.float32))[None, None]


def pixels() -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    return np.stack([x, y], -1) - SIZE / 2


def gathered(blocks: torch.Tensor, source: np.ndarray) -> torch.Tensor:
    """Take whole cells of a picture (1, 1, H, W) from their sources, as a latent's are."""
    cells = blocks.reshape(CELLS, FACTOR, CELLS, FACTOR).permute(0, 2, 1, 3)
    at = np.clip(np.round(source).astype(int), 0, CELLS - 1)
    return cells[at[..., 1], at[..., 0]].permute(0, 2, 1, 3).reshape(1, 1, SIZE, SIZE)


def follow(matrix: np.ndarray, shift: tuple[float, float], frames: int) -> tuple[float, float]:
    """Return the error of the last picture, moved by cells alone and settled (RMS of range 3)."""
    here, inverse = pixels(), np.linalg.inv(matrix)
    backward = ((here - shift) @ inverse.T - here).astype(np.float32)
    motion, lat = FrameMotion(backward, novelty_map(backward)), LatentMotion(FACTOR)
    picture, place = scene(here), here
    for _ in range(frames):
        picture = gathered(picture, lat.step(motion).source)
        place = (place - shift) @ inverse.T  # where the last picture's pixels were in the first
    settled = to_true_place(picture, lat.residual, lat.cells, FACTOR)
    known = (np.abs(place) < SIZE / 2 - RIM).all(-1)
    known &= (np.abs(here) < SIZE / 2 - RIM).all(-1)
    true = scene(place)[0, 0]
    errors = [
        ((one[0, 0] - true)[torch.from_numpy(known)] ** 2).mean() for one in (picture, settled)
    ]
    return float(errors[0]) ** 0.5, float(errors[1]) ** 0.5


@pytest.mark.parametrize("frames", [1, 5, 16])
@pytest.mark.parametrize("shift", [(3.6, 0.0), (-2.2, 1.4), (0.0, 0.3)])
def test_a_pan_is_exact(shift: tuple[float, float], frames: int) -> None:
    jumped, settled = follow(np.eye(2), shift, frames)
    assert settled < 5e-3  # cubic interpolation's own
    assert settled < 0.2 * jumped


@pytest.mark.parametrize(("degrees", "frames"), [(0.5, 16), (2.0, 4), (5.0, 2)])
def test_a_turn_is_smooth(degrees: float, frames: int) -> None:
    """By not more than ten degrees in all: what a cell shows is not turned with it here."""
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    jumped, settled = follow(turn, (0, 0), frames)
    assert settled < 0.5 * jumped


@pytest.mark.parametrize("growth", [1.01, 1.03, 0.98])
def test_a_zoom_is_smooth(growth: float) -> None:
    jumped, settled = follow(growth * np.eye(2), (0, 0), 6)
    assert settled < 0.6 * jumped


def test_what_rests_keeps_its_bits() -> None:
    picture, rest = torch.rand(1, 3, SIZE, SIZE), np.zeros((CELLS, CELLS, 2), np.float32)
    assert to_true_place(picture, rest, rest, FACTOR) is picture


def test_two_surfaces_do_not_drag_at_each_other() -> None:
    """Left half displaced by a third of a cell, the right half by as much the other way."""
    residual = np.zeros((CELLS, CELLS, 2), np.float32)
    residual[:, : CELLS // 2, 0], residual[:, CELLS // 2 :, 0] = -0.35, 0.35
    here = pixels()
    settled = to_true_place(scene(here), residual, 3 * residual, FACTOR)[0, 0]
    for part, shift in (
        (np.s_[8:-8, 8 : SIZE // 2 - 4], -2.8),
        (np.s_[8:-8, SIZE // 2 + 4 : -8], 2.8),
    ):
        true = scene(here - (shift, 0))[0, 0]
        assert (settled[part] - true[part]).abs().max() < 1e-2  # cubic interpolation's own


def test_another_grid_is_refused() -> None:
    ones = np.ones((12, CELLS, 2), np.float32)
    with pytest.raises(ValueError, match="expected 24 x 24 cells, got 12 x 24"):
        to_true_place(torch.zeros(1, 3, SIZE, SIZE), ones, ones, FACTOR)
