"""Harmonics in NumPy against those that are drawn, and turned ones against turned views."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from impetus.backend.contract.captures.harmonics import BANDS, basis, mirrored, turned
from impetus.kernels.splats.harmonics import harmonic_colors


def directions(count: int, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(count, 3))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def coefficients(count: int, members: int = 16) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, (count, members, 3)).astype("f4")


def test_they_are_the_ones_that_are_drawn() -> None:
    made, seen = coefficients(200), directions(200)
    expected = np.einsum("nk,nkc->nc", basis(seen), made) + 0.5
    assert np.abs(harmonic_colors(made, seen.astype("f4")) - np.maximum(expected, 0)).max() < 1e-5


def test_they_are_orthonormal() -> None:
    z, weight = np.polynomial.legendre.leggauss(8)
    angle = np.arange(16) * np.pi / 8
    ring = np.sqrt(1 - z[:, None] ** 2)
    places = np.stack(
        np.broadcast_arrays(ring * np.cos(angle), ring * np.sin(angle), z[:, None]), axis=-1
    )
    values = basis(places) * np.sqrt(weight * np.pi / 8)[:, None, None]
    gram = np.einsum("abk,abl->kl", values, values)
    assert np.abs(gram - np.eye(16)).max() < 1e-12


@pytest.mark.parametrize("members", [1, 4, 9, 16])
def test_a_turned_splat_shows_what_it_did_to_the_turned_eye(members: int) -> None:
    made, seen = coefficients(100, members), directions(100)
    turns = Rotation.random(100, rng=np.random.default_rng(2)).as_matrix()
    before = np.einsum("nk,nkc->nc", basis(seen)[:, :members], made)
    after = turned(made, turns)
    moved = np.einsum("nij,nj->ni", turns, seen)
    assert np.abs(np.einsum("nk,nkc->nc", basis(moved)[:, :members], after) - before).max() < 1e-6
    alike = turned(made, turns[0])
    assert np.abs(alike[0] - after[0]).max() < 1e-6


def test_turning_twice_is_turning_once_by_both() -> None:
    one, other = Rotation.random(2, rng=np.random.default_rng(3)).as_matrix()
    made = coefficients(20)
    assert np.abs(turned(turned(made, one), other) - turned(made, other @ one)).max() < 1e-6
    for band in BANDS:  # a rotation mixes the members of a band alone, and keeps its size
        sizes = [np.linalg.norm(c[:, band], axis=1) for c in (made, turned(made, one))]
        assert np.abs(sizes[0] - sizes[1]).max() < 1e-6


def test_a_mirrored_splat_shows_what_it_did_to_the_opposite_eye() -> None:
    made, seen = coefficients(50), directions(50)
    before = np.einsum("nk,nkc->nc", basis(-seen), made)
    assert np.abs(np.einsum("nk,nkc->nc", basis(seen), mirrored(made)) - before).max() < 1e-6
