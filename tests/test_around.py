"""Cameras around an object."""

import numpy as np
import pytest

from impetus.backend.cameras.around import directions, looking_at
from impetus.backend.cameras.track import project


@pytest.mark.parametrize("kind", ["sphere", "hemisphere", "turntable"])
def test_directions_are_many_and_of_unit_length(kind: str) -> None:
    found = directions(kind, 32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    apart = np.linalg.norm(found[:, None] - found[None], axis=2)
    assert apart[~np.eye(32, dtype=bool)].min() > 0.15
    if kind == "hemisphere":
        assert (found[:, 2] > 0).all()
    else:
        assert np.abs(found.mean(axis=0)[:2]).max() < 0.05


def test_a_sphere_of_cameras_leaves_no_side_out() -> None:
    found = directions("sphere", 32)
    everywhere = directions("sphere", 2000, turn=1.0)
    assert (everywhere @ found.T).max(axis=1).min() > np.cos(np.radians(27))


@pytest.mark.parametrize("eye", [(3, 0, 0), (0, 0, 5), (-1, 2, -1), (0, 0, -2)])
def test_the_target_is_in_the_middle_and_up_is_up(eye: tuple[float, float, float]) -> None:
    target = np.array([0.1, 0.0, 0.2]) if eye[:2] != (0, 0) else np.zeros(3)
    pose = looking_at(np.array(eye, float), target)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    k = np.array([100.0, 100.0, 50.0, 50.0])
    up = (0, 0.1, 0) if eye[:2] == (0, 0) else (0, 0, 0.1)
    pixels, depth = project(np.stack([target, target + up]), pose, k)
    np.testing.assert_allclose(pixels[0], 50)
    assert depth[0] > 0
    assert pixels[1, 1] < 50
