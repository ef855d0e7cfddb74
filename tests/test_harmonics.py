"""Harmonics against their definition, integrals over the sphere, autograd, and turned captures."""

import math

import numpy as np
import pytest
import torch
from scipy.special import lpmv

from impetus.backend.splatting.colors import colors_seen
from impetus.kernels.splats.harmonics import (
    BAND_0,
    COUNTS,
    harmonic_colors,
    harmonic_gradient,
    view_directions,
)

ORDERS = [(l, m) for l in range(4) for m in range(-l, l + 1)]


def definition(direction: np.ndarray) -> np.ndarray:
    """(n, 16): N P_l^|m|(cos t) times sqrt 2 cos or sin of m p; lpmv brings the phase."""
    x, y, z = direction.T
    around, columns = np.arctan2(y, x), []
    for l, m in ORDERS:
        k = abs(m)
        norm = math.sqrt(
            (2 * l + 1) / (4 * math.pi) * math.factorial(l - k) / math.factorial(l + k)
        )
        wave = {0: 1.0, 1: math.sqrt(2) * np.cos(k * around)}.get(
            int(np.sign(m)), math.sqrt(2) * np.sin(k * around)
        )
        columns.append(norm * lpmv(k, l, z) * wave)
    return np.stack(columns, -1)


def directions(count: int, seed: int = 0) -> np.ndarray:
    away = np.random.default_rng(seed).normal(size=(count, 3))
    return (away / np.linalg.norm(away, axis=1, keepdims=True)).astype(np.float32)


def basis(direction: np.ndarray) -> np.ndarray:
    """Each harmonic by itself, half above and below what the clamp would hold."""
    shown = []
    for k in range(16):
        one = np.zeros((len(direction), 16, 3), np.float32)
        one[:, k] = 0.25
        shown.append((harmonic_colors(one, direction)[:, 0] - 0.5) / 0.25)
    return np.stack(shown, -1)


def test_harmonics_are_those_of_the_definition() -> None:
    d = directions(200)
    np.testing.assert_allclose(basis(d), definition(d.astype(np.float64)), atol=2e-6)


def test_harmonics_are_orthonormal_on_the_sphere() -> None:
    z, weight = np.polynomial.legendre.leggauss(8)
    turns = np.arange(16) * (2 * np.pi / 16)
    flat = np.sqrt(1 - z**2)[:, None]
    points = np.stack([flat * np.cos(turns), flat * np.sin(turns), z[:, None] + 0 * turns], -1)
    y = basis(points.reshape(-1, 3).astype(np.float32)).reshape(8, 16, 16)
    inner = np.einsum("i,ijk,ijl->kl", weight * (2 * np.pi / 16), y, y)
    np.testing.assert_allclose(inner, np.eye(16), atol=3e-6)


@pytest.mark.parametrize("count", COUNTS)
def test_gradients_are_those_of_autograd(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    c = torch.randn(50, count, 3, generator=generator, dtype=torch.float64)
    mean, eye = torch.randn(50, 3, generator=generator, dtype=torch.float64), torch.zeros(3)
    turn = torch.linalg.qr(torch.randn(50, 3, 3, generator=generator, dtype=torch.float64))[0]
    given = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    tensors = [t.double().requires_grad_() for t in (c, mean, eye, turn)]
    found = torch.autograd.grad((colors_seen(*tensors) * given).sum(), tensors, allow_unused=True)

    away = torch.einsum("nji,nj->ni", tensors[3], tensors[1] - tensors[2])
    d = torch.nn.functional.normalize(away, dim=-1)
    shown = torch.einsum("nk,nkc->nc", smooth_basis(d)[:, :count], tensors[0]) + 0.5
    expected = torch.autograd.grad((shown.clamp(min=0) * given).sum(), tensors, allow_unused=True)
    for mine, theirs in zip(found, expected, strict=True):
        theirs = torch.zeros_like(mine) if theirs is None else theirs
        assert (mine - theirs).norm() <= 1e-5 * theirs.norm() + 1e-6


def smooth_basis(d: torch.Tensor) -> torch.Tensor:
    """The definition by powers of x + iy and Legendre's recursion, for torch to differentiate."""
    x, y, z = d.unbind(-1)
    one = torch.ones_like(x)
    cosine, sine = [one], [torch.zeros_like(x)]
    for _ in range(3):
        cosine, sine = (
            [*cosine, cosine[-1] * x - sine[-1] * y],
            [*sine, sine[-1] * x + cosine[-1] * y],
        )
    legendre = {
        (0, 0): one, (1, 0): z, (1, 1): -one, (2, 0): (3 * z**2 - 1) / 2, (2, 1): -3 * z,
        (2, 2): 3 * one, (3, 0): (5 * z**3 - 3 * z) / 2, (3, 1): -1.5 * (5 * z**2 - 1),
        (3, 2): 15 * z, (3, 3): -15 * one,
    }  # fmt: skip
    columns = []
    for l, m in ORDERS:
        k = abs(m)
        norm = math.sqrt(
            (2 * l + 1) / (4 * math.pi) * math.factorial(l - k) / math.factorial(l + k)
        )
        wave = one if m == 0 else math.sqrt(2) * (cosine[k] if m > 0 else sine[k])
        columns.append(norm * legendre[l, k] * wave)
    return torch.stack(columns, -1)


def test_a_turned_splat_shows_what_it_showed_before_to_a_turned_eye() -> None:
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    mean, eye = rng.normal(size=(20, 3)).astype(np.float32), np.array([3.0, -2.0, 1.0])
    c = rng.normal(size=(20, 16, 3)).astype(np.float32) * 0.2
    before = harmonic_colors(c, view_directions(mean, eye))
    turns = np.tile(turn.astype(np.float32), (20, 1, 1))
    moved = (mean @ turn.T).astype(np.float32)
    after = harmonic_colors(c, view_directions(moved, turn @ eye, turns))
    np.testing.assert_allclose(after, before, atol=2e-6)
    assert np.abs(harmonic_colors(c, view_directions(moved, turn @ eye)) - before).max() > 0.1


def test_dark_colors_are_held_at_zero_without_a_gradient() -> None:
    c = np.full((1, 1, 3), -1 / BAND_0, np.float32)
    d = directions(1)
    assert not harmonic_colors(c, d).any()
    assert not any(part.any() for part in harmonic_gradient(c, d, np.ones((1, 3), np.float32)))


def test_a_wrong_count_is_named() -> None:
    with pytest.raises(ValueError, match=r"1, 4, 9 or 16, 3\), got \(2, 5, 3\)"):
        harmonic_colors(np.zeros((2, 5, 3), np.float32), directions(2))
