"""Every pass against the slow twin, and what no scene may break."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from impetus.backend.stages.bodies.looks import tangent_frames
from impetus.kernels.splats import bin, raster
from impetus.kernels.splats.background import FAR_AWAY, ray_distance
from impetus.kernels.splats.project import SplatPose, View
from impetus.kernels.splats.raster import Passes, render_depth, render_splats

from .reference_splats import reference_render
from .splat_cases import KINDS, backed, parallel, random_splats

TOLERANCE = 1e-4


def render(case: dict[str, Any]) -> Passes:
    rest = {name: case[name] for name in case if name not in ("pose", "view")}
    return render_splats(case["pose"], case["view"], **rest)


def square_view(width: int = 64, height: int = 48) -> View:
    lens = np.array([60.0, 60.0, width / 2, height / 2])
    return View(np.eye(4), lens, width, height, near=0.1, far=100.0)


def looks(count: int) -> dict[str, Any]:
    return {
        "color": np.full((count, 3), 0.5, np.float32),
        "opacity": np.full(count, 0.8, np.float32),
        "normal": np.tile(np.array([0, 0, -1], np.float32), (count, 1)),
        "index": np.arange(count, dtype=np.int32),
    }


def blobs(places: list[tuple[float, float, float]], sigma: float) -> SplatPose:
    axes = np.tile(np.eye(3, dtype=np.float32) * sigma, (len(places), 1, 1))
    return SplatPose(np.array(places, np.float32).reshape(-1, 3), axes)


def compare_with_twin(case: dict[str, Any]) -> None:
    passes = render(case)
    rest = {name: case[name] for name in case if name not in ("pose", "view")}
    twin = reference_render(case["pose"], case["view"], **rest)
    certain = ~twin.fragile
    assert certain.mean() > 0.9
    for name, image in vars(passes).items():
        expected = getattr(twin, name)[certain]
        np.testing.assert_allclose(image[certain], expected, TOLERANCE, TOLERANCE, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_pass_is_the_twins(kind: str) -> None:
    """Fifty scenes; the first of a kind is large, the others have a tile and a half a side."""
    compare_with_twin(random_splats(kind, 0))
    for seed in range(1, 5):
        compare_with_twin(random_splats(kind, seed, 40, (30, 21)))


@pytest.mark.parametrize("kind", ["tiny", "flat", "overlaps", "orthographic"])
def test_every_pass_is_the_twins_with_antialiasing(kind: str) -> None:
    compare_with_twin(random_splats(kind, 5, 60, (30, 21)) | {"antialias": True})


@pytest.mark.parametrize("kind", ["flat", "overlaps", "orthographic", "shifted"])
def test_every_pass_is_the_twins_where_solids_back_splats(kind: str) -> None:
    case = random_splats(kind, 7, 60, (30, 21))
    compare_with_twin(case | {"pose": backed(case["pose"])})


def ball(count: int, distance: float) -> tuple[SplatPose, np.ndarray]:
    """Discs on a unit ball at `distance` on the axis, backed by it; and their normals."""
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    normal = np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], 1)
    sigma = 0.8 * np.sqrt(4 * np.pi / count)
    axes = tangent_frames(normal) * (sigma, sigma, 0.01 * sigma)
    mean, backing = np.add(normal, (0, 0, distance)), np.full(count, 2 / (0.01 * sigma))
    pose = SplatPose(*(a.astype(np.float32) for a in (mean, axes, backing)))
    return pose, normal.astype(np.float32)


@pytest.mark.parametrize(("count", "beyond"), [(1500, 0.6), (6000, 0.25), (20000, 0.25)])
def test_a_balls_outline_is_where_the_ball_ends(count: int, beyond: float) -> None:
    """Not drawn back, it stands out by a pixel; what is seen inside of it is the same.

    Flat discs of two pixels leave so round a ball by half a pixel of their own.
    """
    pose, normal = ball(count, 2.5)
    look = looks(count) | {"opacity": np.full(count, 0.99, np.float32), "normal": normal}
    view = square_view(95, 95)
    fat, right = (
        render_splats(replace(pose, backing=b), view, **look) for b in (None, pose.backing)
    )
    radius = 60 / np.sqrt(2.5**2 - 1)
    found = [np.sqrt((passes.alpha > 0.5).sum() / np.pi) for passes in (fat, right)]
    assert found[0] > radius + 1
    assert found[1] == pytest.approx(radius, abs=beyond)
    y, x = np.mgrid[0:95, 0:95] + 0.5 - 47.5
    inside = np.hypot(x, y) < radius - 1.5
    assert right.alpha[inside].min() > 0.98
    np.testing.assert_allclose(right.depth[inside], fat.depth[inside], rtol=0.02)
    assert (right.normal[inside] * fat.normal[inside]).sum(-1).min() > 0.99


@pytest.mark.parametrize("thickness", [0.02, 0.5, 1.5, 4.0])
def test_a_thin_slab_seen_edge_on_is_neither_lost_nor_fatter(thickness: float) -> None:
    """Its sides are drawn back, but not past each other."""
    view = parallel(square_view(63, 47))
    pixel = float(view.intrinsics[1])
    x, z = (a.ravel() for a in np.mgrid[-1:1:60j, 3:3.6:18j])
    ones, sigma = np.ones_like(x), 0.03
    sides = []
    for up in (-1.0, 1.0):
        mean = np.stack([x, up * thickness / 2 / pixel * ones, z], 1)
        axes = tangent_frames(np.tile([0.0, up, 0.0], (len(x), 1))) * (sigma, sigma, 0.01 * sigma)
        sides.append((mean, axes))
    mean, axes = (np.concatenate(part).astype(np.float32) for part in zip(*sides, strict=True))
    look = looks(len(mean)) | {"opacity": np.full(len(mean), 0.99, np.float32)}
    backing = np.full(len(mean), thickness / pixel / (0.01 * sigma), np.float32)
    fat, right = (
        render_splats(SplatPose(mean, axes, b), view, **look).alpha for b in (None, backing)
    )
    columns = right.max(axis=0) > 0.5
    assert 0.9 * 2 * view.intrinsics[0] < columns.sum()
    middle = np.flatnonzero(columns)[3:-3]
    width, fat_width = (alpha[:, middle].sum(axis=0).mean() for alpha in (right, fat))
    assert right[:, middle].max(axis=0).min() > 0.9
    assert width <= fat_width + 0.05
    if thickness > 3:
        assert fat_width > thickness + 1.5
        assert width == pytest.approx(thickness, abs=0.7)


def test_coverage_tells_glass_from_half_a_wall() -> None:
    """A wide pane of opacity 0.3 fills its pixels; an opaque edge about half of what it crosses."""
    look = looks(1) | {"opacity": np.full(1, 0.3, np.float32)}
    pane = render_splats(blobs([(0, 0, 3)], 1.0), square_view(63, 47), **look)
    assert pane.coverage[23, 31] == pytest.approx(1, abs=1e-4)
    assert pane.alpha[23, 31] == pytest.approx(0.3, abs=1e-4)
    y, x = np.mgrid[-1.5:1.5:61j, -1.5:-0.05:30j]
    wall = [(float(a), float(b), 3.0) for a, b in zip(x.ravel(), y.ravel(), strict=True)]
    solid = looks(len(wall)) | {"opacity": np.ones(len(wall), np.float32)}
    seen = render_splats(blobs(wall, 0.04), square_view(63, 47), **solid)
    assert seen.coverage[23, 2:30].min() > 0.99
    assert 0.3 < seen.coverage[23, 31] < 0.8
    assert seen.coverage[23, 34:].max() < 0.01


def test_median_depth_is_of_one_surface_where_the_mean_is_of_two() -> None:
    look = looks(2) | {"opacity": np.array([0.6, 1.0], np.float32)}
    passes = render_splats(blobs([(0, 0, 3), (0, 0, 6)], 0.3), square_view(63, 47), **look)
    assert passes.median[23, 31] == pytest.approx(3, rel=1e-5)
    assert passes.depth[23, 31] > 3.5
    assert np.isinf(passes.median[0, 0])


@pytest.mark.parametrize("other", ["pinhole", "orthographic"])
def test_no_motion_is_told_between_a_pinhole_and_an_orthographic_camera(other: str) -> None:
    views = {"pinhole": square_view()}
    views["orthographic"] = parallel(views["pinhole"])
    there = views.pop(other)
    pose = blobs([(0, 0, 3)], 0.5)
    passes = render_splats(pose, *views.values(), **looks(1), after=(pose, there))
    assert (passes.forward == FAR_AWAY).all()
    assert np.isinf(passes.depth_after).all()


def test_an_orthographic_camera_sees_the_same_size_at_any_distance() -> None:
    look, view = looks(1), parallel(square_view(63, 47))
    near, far = (render_splats(blobs([(0.2, 0, z)], 0.3), view, **look) for z in (1, 60))
    np.testing.assert_allclose(near.alpha, far.alpha, atol=1e-6)
    assert far.depth[near.alpha > 0.1] == pytest.approx(60, rel=1e-6)
    assert (ray_distance(far.depth, view) == far.depth).all()


@pytest.mark.parametrize("orthographic", [False, True])
def test_clip_planes_take_away_what_is_nearer_or_beyond(orthographic: bool) -> None:
    view = square_view(63, 47)
    view = replace(parallel(view) if orthographic else view, near=2.0, far=5.0)
    places = [(0, 0, z) for z in (1.99, 5.01, -3.0)]
    assert not render_splats(blobs(places, 0.3), view, **looks(3)).alpha.any()
    for depth in (2.01, 4.99):
        seen = render_splats(blobs([(0, 0, depth)], 0.3), view, **looks(1))
        assert seen.depth.min() == pytest.approx(depth, rel=1e-5)


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.2])
def test_antialiasing_keeps_the_light_of_a_small_splat(sigma: float) -> None:
    """Alpha summed over pixels is 2 pi sigma^2 o f^2 / z^2, but for what falls below 1/255."""
    view = square_view(63, 47)
    passes = render_splats(blobs([(0, 0, 3)], sigma), view, **looks(1), antialias=True)
    wide = (60 * sigma / 3) ** 2
    strength = 0.8 * wide / (wide + 0.3)
    cut = 1 / (255 * strength)
    assert passes.alpha.sum() == pytest.approx(2 * np.pi * 0.8 * wide * (1 - cut), rel=0.02)


def test_one_splat_shows_its_opacity_at_its_center() -> None:
    passes = render_splats(blobs([(0.0, 0.0, 3.0)], 0.2), square_view(63, 47), **looks(1))
    assert passes.alpha[23, 31] == pytest.approx(0.8, abs=1e-5)
    assert passes.color[23, 31] == pytest.approx([0.4] * 3, abs=1e-5)
    assert passes.depth[23, 31] == pytest.approx(3.0, abs=1e-5)
    assert passes.index[23, 31] == 0
    assert passes.index[0, 0] == -1
    assert np.isinf(passes.depth[0, 0])
    np.testing.assert_allclose(passes.alpha, passes.alpha[::-1, ::-1], atol=1e-6)


def test_blending_is_front_to_back_whatever_the_order_of_the_splats() -> None:
    look = looks(2) | {"opacity": np.full(2, 0.7, np.float32)}
    near_last = render_splats(blobs([(0, 0, 6), (0, 0, 3)], 0.3), square_view(63, 47), **look)
    assert near_last.index[23, 31] == 1
    assert near_last.alpha[23, 31] == pytest.approx(0.91, abs=1e-5)
    assert near_last.depth[23, 31] == pytest.approx((0.7 * 3 + 0.21 * 6) / 0.91, rel=1e-5)


def test_an_empty_scene_is_background() -> None:
    view = square_view()
    passes = render_splats(blobs([], 1.0), view, **looks(0))
    assert not passes.alpha.any()
    assert not passes.color.any()
    assert np.isinf(passes.depth).all()
    assert (passes.index == -1).all()
    assert not passes.forward.any()


def test_the_background_moves_with_the_cameras_turn_alone() -> None:
    view, angle = square_view(), 0.05
    pose = np.eye(4)
    pose[:3, :3] = [
        [np.cos(angle), 0, np.sin(angle)],
        [0, 1, 0],
        [-np.sin(angle), 0, np.cos(angle)],
    ]
    pose[:3, 3] = (5, 0, 0)
    there = replace(view, camera_to_world=pose)
    none = blobs([], 1.0)
    passes = render_splats(none, view, **looks(0), after=(none, there))
    # A turn to the right moves the middle of the picture to the left by f tan(angle).
    middle = (passes.forward[23, 31] + passes.forward[24, 32]) / 2
    assert middle == pytest.approx([-60 * np.tan(angle), 0], abs=5e-3)
    assert np.isinf(passes.depth_after).all()


def test_what_the_other_camera_has_behind_it_is_out_of_its_frame() -> None:
    view = square_view()
    turned = replace(view, camera_to_world=np.diag([-1.0, 1.0, -1.0, 1.0]))
    pose = blobs([(0, 0, 3)], 0.5)
    passes = render_splats(pose, view, **looks(1), after=(pose, turned))
    assert np.isfinite(passes.forward).all()
    assert np.abs(passes.forward[0, 0]).max() > 1000


def test_the_same_splats_give_the_same_bits() -> None:
    case = random_splats("overlaps", 3, count=2000)
    first, second = render(case), render(case)
    for name, image in vars(first).items():
        assert image.tobytes() == getattr(second, name).tobytes(), name


def test_splats_of_one_depth_blend_in_the_callers_order() -> None:
    pose = blobs([(0, 0, 3)] * 5, 0.3)
    given = looks(5)
    given["index"] = np.array([4, 2, 0, 1, 3], np.int32)
    assert render_splats(pose, square_view(), **given).index[24, 32] == 4


@pytest.mark.parametrize("kind", ["huge", "behind", "border", "needles"])
def test_nothing_but_empty_depth_is_infinite(kind: str) -> None:
    case = random_splats(kind, 5, count=500)
    case["pose"].mean[:200, 2] += np.linspace(-4, 0, 200, dtype=np.float32)
    passes = render(case)
    for name in ("color", "alpha", "normal", "forward", "backward"):
        assert np.isfinite(getattr(passes, name)).all(), name
    assert np.isfinite(passes.depth[passes.alpha > 0]).all()
    assert passes.alpha.max() <= 1


def test_broken_splats_are_left_out() -> None:
    pose = blobs([(0, 0, 3), (np.nan, 0, 3), (0, 0, np.inf), (0, 0, 2), (0, 0, 2)], 0.3)
    pose.axes[3] = np.nan
    pose.axes[4] *= 1e30
    passes = render_splats(pose, square_view(), **looks(5))
    alone = render_splats(blobs([(0, 0, 3)], 0.3), square_view(), **looks(1))
    np.testing.assert_array_equal(passes.color, alone.color)


def test_render_depth_is_the_depth_pass_where_surfaces_have_no_edges() -> None:
    case = random_splats("flat", 4)
    slope = np.array([0.3, -0.2])
    mean = case["pose"].mean.astype(np.float64)
    mean[:, 2] = mean[:, :2] @ slope
    along = np.stack([[1, 0, slope[0]], [0, 1, slope[1]], [0, 0, 0]], 1) * 0.2
    plane = SplatPose(mean.astype(np.float32), np.tile(along.astype(np.float32), (len(mean), 1, 1)))
    depth = render_depth(plane, case["view"], case["opacity"])
    assert np.isfinite(depth).mean() > 0.5
    np.testing.assert_allclose(depth, render(case | {"pose": plane}).depth, rtol=1e-5)


def test_ray_distance_to_a_sphere_around_the_camera_is_its_radius() -> None:
    """Small splats on a sphere of 2 m: z falls towards the corners, the distance does not."""
    y, x = np.mgrid[-0.45:0.45:90j, -0.6:0.6:120j]
    away = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
    away *= 2 / np.linalg.norm(away, axis=1, keepdims=True)
    view, pose = square_view(), blobs([tuple(place) for place in away], 0.01)
    passes = render_splats(pose, view, **looks(len(away)) | {"opacity": np.ones(len(away), "f4")})
    solid = passes.alpha > 0.9
    assert solid.mean() > 0.9
    distance = ray_distance(passes.depth, view)
    np.testing.assert_allclose(distance[solid], 2, rtol=0.005)
    assert passes.depth[solid].min() < 1.7
    assert np.isinf(ray_distance(np.full_like(passes.depth, np.inf), view)).all()


def test_a_wrong_shape_is_named() -> None:
    given = looks(2) | {"opacity": np.ones(3, np.float32)}
    with pytest.raises(ValueError, match=r"opacity of shape \(2,\), got \(3,\)"):
        render_splats(blobs([(0, 0, 3), (0, 0, 4)], 0.3), square_view(), **given)


def test_one_pixel_a_task_as_on_a_gpu_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_splats("overlaps", 6)
    rows = render(case)
    monkeypatch.setattr(raster, "padding", lambda: 1)
    monkeypatch.setattr(bin, "padding", lambda: 1)
    for name, image in vars(render(case)).items():
        np.testing.assert_allclose(image, getattr(rows, name), 1e-5, 1e-5, err_msg=name)


def test_many_splats_fit() -> None:
    rng = np.random.default_rng(0)
    count = 300_000
    mean = rng.uniform((-3, -2, 3), (3, 2, 6), (count, 3)).astype(np.float32)
    axes = np.tile(np.eye(3, dtype=np.float32) * 0.01, (count, 1, 1))
    passes = render_splats(SplatPose(mean, axes), square_view(320, 180), **looks(count))
    assert passes.alpha[60:120, 130:190].min() > 0.5
