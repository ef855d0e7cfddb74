"""Light on splats against what is known: Lambert, inverse squares, cones, the shadow of a ball."""

import math

import numpy as np
import pytest

from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.stages.images.lamps import Lamp, lamps_at
from impetus.backend.stages.images.lighting import shade
from impetus.backend.stages.images.nearness import Nearness
from impetus.backend.stages.images.reflectance import Surface
from impetus.backend.stages.images.shadows import Arena, arena_of, cast_shadow
from impetus.kernels.splats.project import SplatPose

from . import shots

EYE = np.array([0.0, -3.0, 3.0])
DARK = np.zeros(3, np.float32)


def surface(count: int, **fields: Array) -> Surface:
    """A matt white of albedo 0.8."""
    white = np.full((count, 3), 0.8, np.float32)
    default = {
        "albedo": white,
        "diffuse": white,
        "specular": np.zeros((count, 3), np.float32),
        "emission": np.zeros((count, 3), np.float32),
        "roughness": np.full(count, 0.5, np.float32),
        "wrap": np.zeros(count, np.float32),
        "opacity": np.full(count, 0.99, np.float32),
        "lit": np.zeros(count, bool),
        "water": np.zeros(count, bool),
    }
    return Surface(**(default | fields))


def floor(size: float = 2.0, side: int = 120) -> tuple[SplatPose, Array]:
    """Flat splats on a grid in z = 0, and their normals."""
    step = size / side
    along = (np.arange(side) + 0.5) * step - size / 2
    x, y = np.meshgrid(along, along)
    mean = np.stack([x.ravel(), y.ravel(), np.zeros(side**2)], 1).astype(np.float32)
    axes = np.tile(np.diag([step * 0.8, step * 0.8, step * 0.008]), (len(mean), 1, 1))
    return SplatPose(mean, axes.astype(np.float32)), np.tile(np.float32([0, 0, 1]), (len(mean), 1))


def ball(center: tuple[float, float, float], radius: float, count: int = 9000):
    """Flat splats on a sphere, by the golden spiral, and their normals."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    ring = np.sqrt(1 - z**2)
    turn = k * math.pi * (3 - math.sqrt(5))
    normal = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], 1)
    side = np.cross(normal, np.where(np.abs(z[:, None]) < 0.9, [0, 0, 1], [1, 0, 0]))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    sigma = 0.8 * radius * math.sqrt(4 * math.pi / count)
    axes = sigma * np.stack([side, np.cross(normal, side), 0.01 * normal], axis=2)
    mean = np.asarray(center) + radius * normal
    return SplatPose(mean.astype(np.float32), axes.astype(np.float32)), normal.astype(np.float32)


def joined(*parts: tuple[SplatPose, Array]) -> tuple[SplatPose, Array]:
    poses = [pose for pose, _ in parts]
    pose = SplatPose(
        np.concatenate([p.mean for p in poses]), np.concatenate([p.axes for p in poses])
    )
    return pose, np.concatenate([normal for _, normal in parts])


def lamp(kind: str, position: tuple, target: tuple, **fields: object) -> Lamp:
    """One lamp at `position` that shines towards `target`."""
    arrays = ArraySet()
    pose = shots.look_at(position, target) @ np.diag([1.0, -1.0, -1.0, 1.0])
    light = s.Light("Lamp", kind, arrays.add(pose[None]), **fields)
    made = shots.shot(arrays, [shots.body(arrays, "Cube", shots.cube())], lights=(light,))
    return lamps_at(made, arrays, 1)[0]


def shaded(pose: SplatPose, normal: Array, *lamps: object, **fields: object) -> Array:
    arguments = {"eye": EYE, "ambient": DARK, "lamps": lamps} | fields
    material = arguments.pop("surface", surface(len(normal)))
    return shade(material, pose, normal, **arguments).color


def test_floor_under_a_sun_is_lambert() -> None:
    pose, normal = floor()
    for degrees in (0, 30, 60, 80):
        tilt = math.radians(degrees)
        sun = lamp("sun", (math.sin(tilt), 1e-6, math.cos(tilt)), (0, 0, 0), power=3.0)
        color = shaded(pose, normal, (sun, None))
        np.testing.assert_allclose(color, 0.8 / math.pi * 3.0 * math.cos(tilt), rtol=1e-3)


def test_sun_from_below_leaves_the_floor_dark() -> None:
    pose, normal = floor()
    assert not shaded(pose, normal, (lamp("sun", (0, 0.1, -1), (0, 0, 0), power=3.0), None)).any()


@pytest.mark.parametrize("distance", [0.5, 2.0, 7.0])
def test_point_falls_off_with_the_square(distance: float) -> None:
    pose, normal = floor(0.01, 3)
    point = lamp("point", (0, 1e-6, distance), (0, 0, 0), power=100.0)
    expected = 0.8 / math.pi * 100.0 / (4 * math.pi * distance**2)
    np.testing.assert_allclose(shaded(pose, normal, (point, None)), expected, rtol=1e-3)


def test_lamps_shine_as_cycles_measured() -> None:
    """Radiance of a matt floor of albedo 0.8, 2 m under lamps of 100 W, rendered by Cycles 5.2."""
    pose, normal = floor(0.01, 3)
    for kind, fields, measured in (
        ("point", {}, 0.5045),
        ("spot", {"spot_angle": math.radians(60), "spot_blend": 0.3}, 0.5042),
        ("area", {"size": 1.0}, 1.8690),
        ("area", {"size": 0.1}, 2.0210),
    ):
        one = lamp(kind, (0, 1e-6, 2), (0, 0, 0), power=100.0, **fields)
        np.testing.assert_allclose(shaded(pose, normal, (one, None)), measured, rtol=0.025)


def test_spot_has_a_cone_with_a_soft_rim() -> None:
    pose, normal = floor(4.0, 200)
    spot = lamp(
        "spot", (0, 1e-6, 2), (0, 0, 0), power=100.0, spot_angle=math.radians(60), spot_blend=0.3
    )
    light = shaded(pose, normal, (spot, None))[:, 0]
    angle = np.degrees(np.arctan(np.linalg.norm(pose.mean[:, :2], axis=1) / 2))
    assert not light[angle > 30.2].any()
    full = 0.8 / math.pi * 100 / (4 * math.pi * 4) * np.cos(np.radians(angle)) ** 3
    inside = angle < 23
    np.testing.assert_allclose(light[inside], full[inside], rtol=2e-3)
    rim = (angle > 26) & (angle < 29)
    assert (light[rim] < 0.95 * full[rim]).all()
    assert (light[rim] > 0.01 * full[rim]).all()


def test_ambient_reaches_an_open_floor_whole_and_its_underside_less() -> None:
    pose, normal = floor()
    ambient = np.array([0.2, 0.3, 0.4], np.float32)
    np.testing.assert_allclose(
        shaded(pose, normal, ambient=ambient), np.broadcast_to(0.8 * ambient, normal.shape), 1e-4
    )
    below = shaded(pose, normal, ambient=ambient, eye=np.array([0, 0, -3.0]))
    np.testing.assert_allclose(below[:, 0], 0.8 * 0.2 * 0.5, rtol=1e-4)


def test_baked_splats_and_glowing_ones_keep_their_light() -> None:
    pose, normal = floor(0.1, 10)
    sun = lamp("sun", (0, 0.1, 1), (0, 0, 0), power=50.0)
    lit = surface(100, lit=np.ones(100, bool))
    np.testing.assert_array_equal(shaded(pose, normal, (sun, None), surface=lit), lit.albedo)
    glow = np.full((100, 3), 7.0, np.float32)
    glowing = surface(100, emission=glow, diffuse=np.zeros((100, 3), np.float32))
    np.testing.assert_allclose(shaded(pose, normal, surface=glowing), glow)


def test_gloss_peaks_at_the_mirror_direction() -> None:
    pose, normal = floor(4.0, 150)
    gloss = surface(
        len(normal),
        diffuse=np.zeros((len(normal), 3), np.float32),
        specular=np.full((len(normal), 3), 0.04, np.float32),
        roughness=np.full(len(normal), 0.25, np.float32),
    )
    sun = lamp("sun", (0, 2.0, 2.0), (0, 0, 0), power=3.0)
    eye = np.array([0.0, -2.0, 2.0])
    color = shaded(pose, normal, (sun, None), surface=gloss, eye=eye)
    brightest = pose.mean[color[:, 0].argmax()]
    np.testing.assert_allclose(brightest, 0, atol=0.15)
    assert color[:, 0].max() > 20 * np.median(color[:, 0])


def shadowed_floor(one: Lamp, gap: float = 0.4) -> tuple[Array, Array]:
    """Return the floor's points and the share of light there, under a ball of radius 0.25."""
    arena = Arena(np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-0.1, 1.0)]))
    ground, ground_normal = floor()
    pose, normal = joined((ground, ground_normal), ball((0, 0, 0.25 + gap), 0.25))
    shadow = cast_shadow(one, arena, pose, np.full(len(normal), 0.99, np.float32))
    dark = shaded(pose, normal, (one, shadow))[: len(ground_normal), 0]
    bright = shaded(pose, normal, (one, None))[: len(ground_normal), 0]
    return ground.mean, dark / bright


def test_ball_casts_its_disc_under_a_sun() -> None:
    points, share = shadowed_floor(lamp("sun", (0, 1e-6, 3), (0, 0, 0), power=3.0, size=0.005))
    distance = np.linalg.norm(points[:, :2], axis=1)
    assert (share[distance < 0.23] < 0.02).all()
    assert (share[distance > 0.28] > 0.99).all(), "acne, or a shadow that leaks"


def test_slanted_sun_moves_the_shadow_and_leaves_no_acne() -> None:
    points, share = shadowed_floor(lamp("sun", (3, 0, 3), (0, 0, 0), power=3.0, size=0.005))
    shifted = points[:, :2] - [-0.65, 0.0]
    ellipse = np.hypot(shifted[:, 0] / math.sqrt(2), shifted[:, 1])
    inside = (np.abs(points[:, 0]) < 0.98) & (ellipse < 0.23)
    assert (share[inside] < 0.02).all()
    assert (share[ellipse > 0.29] > 0.99).all()


def test_larger_sun_makes_a_softer_edge() -> None:
    """The penumbra of a sun of angle a, h metres below the rim, is 2 h tan(a/2) wide."""
    widths = []
    for angle in (0.02, 0.2, 0.4):
        points, share = shadowed_floor(
            lamp("sun", (0, 1e-6, 3), (0, 0, 0), power=3.0, size=angle), 0.55
        )
        distance = np.linalg.norm(points[:, :2], axis=1)
        bins = np.arange(0, 0.7, 0.01)
        profile = np.interp(bins, *_profile(distance, share))
        widths.append(np.interp(0.9, profile, bins) - np.interp(0.1, profile, bins))
    assert widths[0] < 0.04
    for width, angle in zip(widths[1:], (0.2, 0.4), strict=True):
        # Of the whole penumbra, 10 to 90 % of the light of a disc spans about 0.7.
        assert 0.5 < width / (0.7 * 2 * 0.8 * math.tan(angle / 2)) < 1.6


def _profile(distance: Array, share: Array) -> tuple[Array, Array]:
    edges = np.arange(0, 0.72, 0.02)
    where = np.digitize(distance, edges)
    found = [k for k in range(1, len(edges)) if (where == k).any()]
    return (edges[found] - 0.01), np.array([share[where == k].mean() for k in found])


@pytest.mark.parametrize("kind", ["point", "spot", "area"])
def test_near_lamps_cast_shadows(kind: str) -> None:
    one = lamp(kind, (0, 1e-6, 2.0), (0, 0, 0), power=100.0, size=0.02, spot_angle=1.6)
    points, share = shadowed_floor(one)
    distance = np.linalg.norm(points[:, :2], axis=1)
    # The cone that touches the ball from the lamp: sin = 0.25 / 1.35.
    edge = 2.0 * math.tan(math.asin(0.25 / 1.35))
    assert (share[distance < edge - 0.03] < 0.02).all()
    assert (share[(distance > edge + 0.04)] > 0.98).all()


def test_still_shadow_stays_still_while_something_else_moves() -> None:
    arena = Arena(np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-0.1, 1.0)]))
    one = lamp("sun", (1, 0.4, 2), (0, 0, 0), power=3.0, size=0.05)
    shares = []
    for x in (0.6, 0.65, 0.7):
        pose, normal = joined(
            floor(), ball((-0.5, 0, 0.3), 0.2, 4000), ball((x, 0.5, 0.3), 0.1, 2000)
        )
        shadow = cast_shadow(one, arena, pose, np.full(len(normal), 0.99, np.float32))
        near = np.flatnonzero(np.linalg.norm(pose.mean[:, :2] - [-0.5, 0], axis=1) < 0.4)
        shares.append(shaded(pose, normal, (one, shadow))[near])
    np.testing.assert_array_equal(shares[0], shares[1])
    np.testing.assert_array_equal(shares[0], shares[2])


def test_large_scenery_does_not_widen_the_shadow_map() -> None:
    arrays = ArraySet()
    bodies = [
        shots.body(arrays, "Cube", shots.cube()),
        shots.body(arrays, "Desert", shots.plane(500.0), role="static"),
        shots.body(arrays, "Stone", shots.cube(0.5), role="static", poses=shots.place((1.5, 0, 0))),
    ]
    made = shots.shot(arrays, bodies)
    arena = arena_of(made, arrays, np.full(3, -1.0), np.full(3, 1.0))
    np.testing.assert_allclose(arena.corners.min(0), [-1, -1, -1])
    np.testing.assert_allclose(arena.corners.max(0), [1.75, 1, 1])


def test_wall_hides_the_surroundings_and_lends_its_colour() -> None:
    ground, ground_normal = floor(2.0, 160)
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)  # the floor stood up: faces +x
    wall = SplatPose(ground.mean @ turn.T + np.float32([-0.2, 0, 1]), turn @ ground.axes)
    pose, normal = joined((ground, ground_normal), (wall, ground_normal @ turn.T))
    count = len(ground_normal)
    red = np.full((2 * count, 3), 0.8, np.float32)
    red[count:] = (0.8, 0.0, 0.0)
    arena = Arena(np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0.0, 2.0)]))
    nearness = Nearness(arena, pose, normal, np.full(2 * count, 0.99, np.float32))
    strip = np.abs(ground.mean[:, 1]) < 0.5
    corner = strip & (ground.mean[:, 0] > -0.19) & (ground.mean[:, 0] < -0.14)
    far = strip & (ground.mean[:, 0] > 0.6) & (ground.mean[:, 0] < 0.8)
    openness = nearness.openness[:count]
    assert openness[far].min() > 0.97
    assert openness[corner].mean() < 0.75
    sun = lamp("sun", (1, 0, 1), (0, 0, 0), power=3.0)
    material = surface(2 * count, diffuse=red, albedo=red)
    near, bare = (
        shaded(pose, normal, (sun, None), surface=material, nearness=n)[:count]
        for n in (nearness, None)
    )
    lent = (near - bare)[corner].mean(0)
    assert lent[0] > 3 * max(lent[1], 1e-6), "the wall is red"
    assert lent[0] > 0.01


def water_block(side: int, depth: float = 0.04) -> tuple[SplatPose, Array, Array]:
    """Blobs that fill a slab below z = 0, their normals, and which are at its surface."""
    step = depth / side
    count = round(0.2 / step)
    x, y, z = np.meshgrid(*(np.arange(n) for n in (count, count, side)), indexing="ij")
    mean = np.stack([x.ravel(), y.ravel(), -z.ravel()], 1) * step - [0.1, 0.1, step / 2]
    axes = np.tile(np.eye(3) * 0.6 * step, (len(mean), 1, 1))
    normal = np.tile(np.float32([0, 0, 1]), (len(mean), 1))
    return SplatPose(mean.astype(np.float32), axes.astype(np.float32)), normal, z.ravel() == 0


class Openness:
    """What `shade` asks of Nearness, known beforehand: the top sees all, the rest nothing."""

    def __init__(self, top: Array) -> None:
        self.openness = top.astype(np.float32)

    def lent(self, radiance: Array) -> Array:
        return np.zeros_like(radiance)


def look_into(side: int, eye: Array, depth: float = 0.04) -> float:
    """Return the alpha of a slab of water in the middle of a picture of it."""
    from impetus.kernels.splats.project import View
    from impetus.kernels.splats.raster import render_splats

    pose, normal, top = water_block(side, depth)
    wet = surface(len(normal), water=np.ones(len(normal), bool))
    wet.opacity[:] = 0.35
    made = shade(
        wet,
        pose,
        normal,
        eye=eye,
        ambient=DARK,
        lamps=(),
        nearness=Openness(top),  # type: ignore[arg-type]
    )
    view = View(
        shots.look_at(eye, (0, 0, -depth / 2)), np.array([400.0, 400, 32, 32]), 64, 64, 0.01, 10
    )
    index = np.zeros(len(normal), np.int32)
    passes = render_splats(
        pose, view, color=made.color, opacity=made.opacity, normal=made.normal, index=index
    )
    return float(passes.alpha[28:36, 28:36].mean())


def test_water_hides_what_is_below_by_its_depth_not_by_its_splats() -> None:
    above = np.array([0.0, -0.05, 0.8])
    coarse, fine = look_into(5, above), look_into(9, above)
    assert 0.3 < fine < 0.97
    assert abs(coarse - fine) < 0.06
    assert look_into(10, above, 0.08) > fine + 0.02


def test_water_mirrors_at_a_glancing_look() -> None:
    pose, normal, top = water_block(6)
    wet = surface(len(normal), water=np.ones(len(normal), bool))
    made = [
        shade(wet, pose, normal, eye=np.array(eye), ambient=DARK, lamps=(), nearness=Openness(top))  # type: ignore[arg-type]
        for eye in ((0.0, 0.0, 5.0), (0.0, -5.0, 0.4))
    ]
    head_on, glancing = (one.opacity[top].mean() for one in made)
    assert glancing > 2 * head_on
    np.testing.assert_allclose(made[0].opacity[~top], made[1].opacity[~top], atol=1e-6)
