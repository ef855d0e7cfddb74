"""Projection: footprints against sampled points, depth and motion exact on tilted planes."""

import numpy as np
import pytest

from impetus.kernels.splats.project import (
    FALL_X,
    FALL_Y,
    REACH_X,
    REACH_Y,
    SLOPE,
    SplatPose,
    U,
    V,
    View,
    project,
)
from impetus.kernels.splats.raster import Passes, render_splats

WIDTH, HEIGHT = 96, 64
LENS = np.array([90.0, 92.0, 46.0, 33.0])


def view(position: tuple[float, float, float] = (0, 0, 0), turn: float = 0.0) -> View:
    pose = np.eye(4)
    pose[:3, :3] = turned(turn)
    pose[:3, 3] = position
    return View(pose, LENS, WIDTH, HEIGHT, near=0.05, far=100.0)


def turned(angle: float, axis: tuple[float, float, float] = (0.3, 1.0, -0.2)) -> np.ndarray:
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def disc(center: np.ndarray, frame: np.ndarray, sigma: float) -> SplatPose:
    axes = frame * np.array([sigma, sigma, 0.01 * sigma])
    return SplatPose(center[None].astype(np.float32), axes[None].astype(np.float32))


def render_one(pose: SplatPose, camera: View, after: tuple[SplatPose, View]) -> Passes:
    one = np.ones((1, 3), np.float32)
    return render_splats(
        pose,
        camera,
        color=one,
        opacity=np.ones(1, np.float32),
        normal=one,
        index=np.zeros(1, np.int32),
        after=after,
    )


def test_the_footprint_is_the_covariance_of_projected_points() -> None:
    rng = np.random.default_rng(0)
    frame = turned(0.7) * np.array([0.02, 0.01, 0.005])
    mean = np.array([0.4, -0.3, 3.0])
    pose = SplatPose(mean[None].astype(np.float32), frame[None].astype(np.float32))
    one = np.ones((1, 3), np.float32)
    record = project(pose, view(), color=one, opacity=one[:, 0], normal=one).record[0]
    points = mean + rng.normal(size=(400_000, 3)) @ frame.T
    pixels = points[:, :2] / points[:, 2:] * LENS[:2] + LENS[2:]
    expected = np.cov(pixels.T) + 0.3 * np.eye(2)
    assert record[[U, V]] == pytest.approx(pixels.mean(0), abs=0.01)
    reach = 2 * np.log(255)
    assert record[REACH_X] ** 2 / reach == pytest.approx(expected[0, 0], rel=5e-3)
    assert record[REACH_Y] ** 2 / reach == pytest.approx(expected[1, 1], rel=5e-3)
    assert record[SLOPE] == pytest.approx(expected[0, 1] / expected[1, 1], abs=3e-3)
    fall = -0.5 * np.log2(np.e) * np.linalg.inv(expected)
    assert record[FALL_X] == pytest.approx(fall[0, 0], rel=5e-3)
    assert record[FALL_Y] == pytest.approx(-0.5 * np.log2(np.e) / expected[1, 1], rel=5e-3)


@pytest.mark.parametrize("tilt", [0.0, 0.6, 1.2])
@pytest.mark.parametrize("sigma", [0.02, 0.3])
def test_depth_and_motion_are_exact_on_a_tilted_disc(tilt: float, sigma: float) -> None:
    center, frame = np.array([0.2, 0.1, 3.0]), turned(tilt, (1.0, 0.4, 0.0))
    strain = np.array([[1.05, 0.1, 0.0], [0.0, 0.97, 0.02], [0.03, 0.0, 1.0]])
    there, moved = view((0.1, 0.05, 0.2), 0.04), strain @ turned(0.1)
    center_there = center + np.array([0.05, -0.02, 0.1])
    after = disc(center, frame, sigma).axes.astype(np.float64)
    pose_after = SplatPose(center_there[None].astype(np.float32), (moved @ after).astype("f4"))
    passes = render_one(disc(center, frame, sigma), view(), (pose_after, there))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    ray = np.stack([(x - LENS[2]) / LENS[0], (y - LENS[3]) / LENS[1], np.ones_like(x)], -1)
    depth = center @ frame[:, 2] / (ray @ frame[:, 2])
    point = (ray * depth[..., None] - center) @ moved.T + center_there
    rotation, translation = there.world_to_camera()
    local = point @ rotation.T + translation
    target = local[..., :2] / local[..., 2:] * LENS[:2] + LENS[2:]
    solid = passes.alpha > 0.5
    assert solid.sum() >= 3
    np.testing.assert_allclose(
        passes.depth[solid], depth[solid], rtol=2e-3 if sigma < 0.1 else 2e-4
    )
    error = np.linalg.norm(passes.forward - (target - np.stack([x, y], -1)), axis=-1)
    assert error[solid].max() < 0.01
    np.testing.assert_allclose(passes.depth_after[solid], local[..., 2][solid], rtol=2e-3)


def test_what_stands_still_does_not_move() -> None:
    pose, camera = disc(np.array([0.1, 0.0, 2.0]), turned(1.5), 0.2), view(turn=0.1)
    passes = render_one(pose, camera, (pose, camera))
    solid = passes.alpha > 0.5
    assert solid.any()
    assert not passes.forward[~solid].any()
    assert np.abs(passes.forward[solid]).max() < 1e-4
    np.testing.assert_allclose(passes.depth_after[solid], passes.depth[solid], rtol=1e-6)


def test_a_change_of_lens_moves_pixels_from_the_centre() -> None:
    pose = disc(np.array([0.0, 0.0, 2.0]), np.eye(3), 1.0)
    zoomed = View(np.eye(4), LENS * (1.1, 1.1, 1, 1) + (0, 0, 2, 0), WIDTH, HEIGHT, 0.05, 100.0)
    passes = render_one(pose, view(), (pose, zoomed))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    expected = np.stack([0.1 * (x - LENS[2]) + 2, 0.1 * (y - LENS[3])], -1)
    np.testing.assert_allclose(passes.forward, expected, atol=1e-3)


def test_seen_edge_on_a_disc_moves_with_its_centre() -> None:
    frame = turned(np.pi / 2, (0.0, 1.0, 0.0))
    pose, later = (disc(np.array([x, 0.0, 3.0]), frame, 0.3) for x in (0.0, 0.1))
    passes = render_one(pose, view(), (later, view()))
    solid = passes.alpha > 0.5
    assert solid.any()
    assert np.abs(passes.forward[solid] - (3.0, 0.0)).max() < 0.5


@pytest.mark.parametrize("place", [(0, 0, -3), (0, 0, 0.01), (0, 0, 200), (50, 0, 3), (0, -50, 3)])
def test_what_is_off_the_screen_is_not_seen(place: tuple[float, float, float]) -> None:
    pose = disc(np.array(place, float), np.eye(3), 0.1)
    one = np.ones((1, 3), np.float32)
    record = project(pose, view(), color=one, opacity=one[:, 0], normal=one).record
    assert record[0, REACH_X] == -1
