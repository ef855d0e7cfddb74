"""Motion blur and depth of field against what optics says of points and moving edges."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from impetus.backend.cameras.track import pose_between
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.splatting.frames import draw_color
from impetus.backend.stages.air.rows import Rows
from impetus.backend.stages.images.blur import blurred, samples_of
from impetus.kernels.splats.project import SplatPose, View

from . import shots

SIZE, FOCAL = 63, 60.0


def view(orthographic: bool = False, **fields: Any) -> View:
    lens = np.array([FOCAL / 3 if orthographic else FOCAL] * 2 + [SIZE / 2] * 2)
    made = View(np.eye(4), lens, SIZE, SIZE, 0.1, 100.0, orthographic)
    return replace(made, **fields)


def rows(places: list[tuple[float, float, float]], sigma: float, **fields: Any) -> Rows:
    count = len(places)
    axes = np.tile(np.eye(3, dtype=np.float32) * np.float32(sigma), (count, 1, 1))
    one = np.ones((count, 3), np.float32)
    pose = SplatPose(np.array(places, np.float32), axes)
    return Rows(pose, one, 0.9 * one[:, 0], one, np.zeros(count, np.int32), **fields)


def picture(
    blur: s.Blur,
    seen: Rows,
    *views: View | None,
    lens: tuple[float, float] | None = None,
    cuts: tuple[int, ...] = (),
) -> np.ndarray:
    """Return the blurred picture (h, w, 4) of the first frame of a shot."""
    arrays = ArraySet()
    if lens is not None:
        blur = s.Blur(blur.samples, blur.shutter, arrays.add(np.tile(lens, (4, 1))), blur.blades)
    shot = shots.shot(arrays, [], render=s.RenderSettings(blur=blur))
    shot = shots.changed(shot, camera=msgspec.structs.replace(shot.camera, cuts=cuts))
    check_shot(shot, arrays)
    around = (None, views[0], None) if len(views) == 1 else views
    means = list(blurred(shot, arrays, 1, seen, around, "taichi"))  # type: ignore[arg-type]
    assert len(means) == blur.samples
    return means[-1]


def sharp(seen: Rows, camera: View) -> np.ndarray:
    color, alpha = draw_color(
        seen.pose, camera, color=seen.color, opacity=seen.opacity, engine="taichi"
    )
    return np.concatenate([color, alpha[..., None]], -1)


def spread(alpha: np.ndarray) -> np.ndarray:
    """Return the variances [px^2] of light along x and y."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    weight = alpha / alpha.sum()
    return np.array([(weight * (a - (weight * a).sum()) ** 2).sum() for a in (x, y)])


def test_moments_fill_the_shutter_and_spots_the_lens() -> None:
    found = samples_of(s.Blur(64, (-0.25, 0.25)))
    times = np.sort([sample.time for sample in found])
    np.testing.assert_allclose(times, -0.25 + 0.5 * (np.arange(64) + 0.5) / 64)
    spots = np.array([sample.spot for sample in found])
    np.testing.assert_allclose(spots.mean(0), 0, atol=0.02)
    assert (spots**2).sum(1).mean() == pytest.approx(0.5, rel=0.01)
    # What is early is not on one side of the lens.
    early = spots[np.argsort([sample.time for sample in found])[:32]]
    assert np.abs(early.mean(0)).max() < 0.15


@pytest.mark.parametrize("blades", [3, 5, 8])
def test_spots_fill_a_polygon_evenly(blades: int) -> None:
    spots = np.array([each.spot for each in samples_of(s.Blur(1000, blades=blades, rotation=0.4))])
    turn = np.exp(-1j * 0.4) * (spots[:, 0] + 1j * spots[:, 1])
    half = np.pi / blades
    ahead = np.abs(turn) * np.cos(np.angle(turn) % (2 * half) - half)
    assert ahead.max() <= np.cos(half) + 1e-6
    # The polar second moment of a regular polygon over its area.
    assert (spots**2).sum(1).mean() == pytest.approx((2 + np.cos(2 * half)) / 6, rel=0.02)


def test_a_pinhole_with_no_shutter_is_the_sharp_picture() -> None:
    seen = rows([(0, 0, 3), (0.4, 0.2, 5)], 0.2)
    np.testing.assert_allclose(picture(s.Blur(3), seen, view()), sharp(seen, view()), atol=1e-6)


@pytest.mark.parametrize("orthographic", [False, True])
@pytest.mark.parametrize("depth", [1.5, 2.4, 4.0])
def test_a_point_out_of_focus_is_a_disc_of_the_right_size(depth: float, orthographic: bool) -> None:
    """Its radius is f R |1/z - 1/F| pixels, f R |1 - z/F| where rays are parallel."""
    camera, radius, focus = view(orthographic), 0.25, 3.0
    seen = rows([(0, 0, depth)], 0.03)
    seen.opacity[:] = 0.3
    blur = picture(s.Blur(128), seen, camera, lens=(radius, focus))
    scale = camera.intrinsics[0] * radius
    circle = scale * abs(1 - depth / focus if orthographic else 1 / depth - 1 / focus)
    assert circle > 0.8
    added = spread(blur[..., 3]) - spread(sharp(seen, camera)[..., 3])
    np.testing.assert_allclose(added, circle**2 / 4, rtol=0.06, atol=0.02)


@pytest.mark.parametrize("orthographic", [False, True])
def test_what_is_in_focus_stays_sharp(orthographic: bool) -> None:
    seen, camera = rows([(0.3, -0.2, 3), (-0.5, 0.1, 3)], 0.05), view(orthographic)
    blur = picture(s.Blur(16), seen, camera, lens=(0.1, 3.0))
    np.testing.assert_allclose(blur, sharp(seen, camera), atol=0.02)


@pytest.mark.parametrize("at_end", [False, True])
def test_a_moving_point_becomes_a_line_as_long_as_its_way(at_end: bool) -> None:
    """Ten pixels a frame, half a frame open; at the shot's end it goes on as it came."""
    seen = rows([(0, 0, 3)], 0.05)
    before, after = (rows([(x, 0, 3)], 0.05).pose for x in (-0.5, 0.5))
    moving = replace(seen, before=before, after=None if at_end else after)
    blur = picture(s.Blur(32, (-0.25, 0.25)), moving, view())
    added = spread(blur[..., 3]) - spread(sharp(seen, view())[..., 3])
    np.testing.assert_allclose(added, [5**2 / 12, 0], atol=0.1)


def test_a_moving_camera_blurs_what_stands_and_a_cut_does_not() -> None:
    seen = rows([(0, 0, 3)], 0.05)
    pose = np.eye(4)
    pose[0, 3] = 0.5
    there = view(camera_to_world=pose)
    blur = picture(s.Blur(32, (0.0, 1.0)), seen, None, view(), there)
    added = spread(blur[..., 3]) - spread(sharp(seen, view())[..., 3])
    np.testing.assert_allclose(added, [10**2 / 12, 0], atol=0.2)
    cut = picture(s.Blur(8, (0.0, 1.0)), seen, None, view(), there, cuts=(2,))
    np.testing.assert_allclose(cut, sharp(seen, view()), atol=1e-6)


def test_a_pose_between_turns_evenly() -> None:
    rng = np.random.default_rng(0)
    here, there = np.eye(4), np.eye(4)
    for pose in (here, there):
        pose[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        pose[:3, :3] *= np.sign(np.linalg.det(pose[:3, :3]))
        pose[:3, 3] = rng.normal(size=3)
    half = pose_between(here, there, 0.5)
    step = here[:3, :3].T @ half[:3, :3]
    np.testing.assert_allclose(here[:3, :3] @ step @ step, there[:3, :3], atol=1e-12)
    np.testing.assert_allclose(half[:3, 3], (here[:3, 3] + there[:3, 3]) / 2)
    np.testing.assert_allclose(pose_between(here, there, 1.0), there, atol=1e-12)
    np.testing.assert_allclose(pose_between(here, here, 0.7), here, atol=1e-12)


@pytest.mark.parametrize(
    ("blur", "words"),
    [
        (s.Blur(shutter=(-2, 0)), "Motion blur: expected a shutter"),
        (s.Blur(shutter=(0.5, 0.2)), "Motion blur: expected a shutter"),
    ],
)
def test_a_shutter_that_no_camera_has_is_refused(blur: s.Blur, words: str) -> None:
    arrays = ArraySet()
    shot = shots.shot(arrays, [], render=s.RenderSettings(blur=blur))
    with pytest.raises(ShotError, match=words):
        check_shot(shot, arrays)


def test_a_lens_without_focus_is_refused() -> None:
    arrays = ArraySet()
    blur = s.Blur(lens=arrays.add(np.tile([0.1, 0.0], (4, 1))))
    shot = shots.shot(arrays, [], render=s.RenderSettings(blur=blur))
    with pytest.raises(ShotError, match="Depth of field: expected a focus distance above zero"):
        check_shot(shot, arrays)
