"""Rendered frames against geometry that is known: planes, moving cameras, backdrops."""

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from impetus.backend.cameras.track import project
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.stages.bodies.prepare import Prepared, prepare
from impetus.backend.stages.images.backdrop import backdrop_of
from impetus.backend.stages.images.render import frames_to_pose, render, scene_of
from impetus.backend.stages.images.rendered import RenderedFrame
from impetus.backend.stages.simulate import SimulatedFrame
from impetus.backend.stages.splats import PosedSplats, pose_splats

from . import shots

NONE = np.zeros((0, 3), np.float32)


class Quiet:
    def progress(self, *_: object) -> None: ...

    def frame(self, number: int) -> None: ...

    def log(self, level: str, text: str) -> None: ...

    def check(self) -> None: ...


def still(shot: s.Shot, arrays: ArraySet, prepared: Prepared, frame: int) -> PosedSplats:
    """Pose a shot in which nothing is dynamic."""
    simulated = SimulatedFrame(frame, NONE, NONE[:, :, None] * NONE[:, None], NONE)
    return pose_splats(shot, arrays, prepared, simulated)


def render_all(shot: s.Shot, arrays: ArraySet, wanted: set[int] | None = None, known=None):
    prepared = prepare(shot, arrays)
    wanted = set(shot.frames.numbers) if wanted is None else wanted

    def posed() -> Iterator[tuple[int, PosedSplats]]:
        for frame in sorted(frames_to_pose(shot, wanted)):
            yield frame, still(shot, arrays, prepared, frame)

    def missing(frame: int) -> Array:
        raise AssertionError(f"frame {frame} is not known")

    return list(
        render(
            scene_of(shot, arrays, prepared), posed(),
            wanted=wanted, known_depth=known or missing, listener=Quiet(),
        )
    )  # fmt: skip


def wall_shot(**fields: object) -> tuple[s.Shot, ArraySet]:
    """A wall 2 m high across the view at y = 0, seen by a camera that slides, turns and zooms."""
    arrays = ArraySet()
    stand = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
    bodies = [
        shots.body(
            arrays, "Wall", shots.plane(2.0), role="static", poses=shots.place((0, 0, 0), stand)
        )
    ]
    count = 3
    poses = np.stack(
        [shots.look_at((0.1 * t, -3, 0.05 * t), (0.12 * t, 0, 0.02 * t)) for t in range(count)]
    )
    lens = np.array([[100 + 3 * t, 100 + 3 * t, 60, 40] for t in range(count)], float)
    defaults = {
        "size": (120, 80),
        "frames": (1, count),
        "camera": s.CameraTrack(arrays.add(poses), arrays.add(lens)),
        "render": s.RenderSettings(splats=6000),
        "world": s.World(background=(0.1, 0.2, 0.3)),
    }
    return shots.shot(arrays, bodies, **(defaults | fields)), arrays


@pytest.fixture(scope="module")
def wall() -> tuple[s.Shot, ArraySet, list[RenderedFrame]]:
    shot, arrays = wall_shot()
    return shot, arrays, render_all(shot, arrays)


def points_on_wall(shot: s.Shot, arrays: ArraySet, row: int) -> tuple[Array, Array, Array]:
    """Return each pixel's point in the plane y = 0, its depth, and where it is well inside."""
    pose = arrays.of(shot.camera.camera_to_world)[row]
    fx, fy, cx, cy = arrays.of(shot.camera.intrinsics)[row]
    y, x = np.mgrid[: shot.film.height, : shot.film.width] + 0.5
    ray = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], -1) @ pose[:3, :3].T
    depth = -pose[1, 3] / ray[..., 1]
    points = pose[:3, 3] + ray * depth[..., None]
    return points, depth, (np.abs(points[..., [0, 2]]) < 0.9).all(-1)


def test_depth_normal_and_index_of_a_wall(wall) -> None:
    shot, arrays, frames = wall
    for row, frame in enumerate(frames):
        _, depth, inside = points_on_wall(shot, arrays, row)
        assert inside.sum() > 3000
        np.testing.assert_allclose(frame.depth[inside], depth[inside], rtol=1e-3)
        np.testing.assert_allclose(
            frame.normal[inside], np.broadcast_to([0, -1, 0], frame.normal.shape)[inside], atol=0.01
        )
        assert (frame.index[inside] == 0).all()
        assert np.isposinf(frame.depth[0, 0])
        assert frame.index[0, 0] == -1
        assert (frame.normal[0, 0] == 0).all()


def test_motion_is_where_the_points_go(wall) -> None:
    shot, arrays, frames = wall
    poses, lens = arrays.of(shot.camera.camera_to_world), arrays.of(shot.camera.intrinsics)
    y, x = np.mgrid[: shot.film.height, : shot.film.width] + 0.5
    for row, frame in enumerate(frames):
        points, _, inside = points_on_wall(shot, arrays, row)
        for other, motion in ((row + 1, frame.forward), (row - 1, frame.backward)):
            if not 0 <= other < len(frames):
                assert not motion.any()
                continue
            pixels, _ = project(points.reshape(-1, 3), poses[other], lens[other])
            truth = pixels.reshape((*points.shape[:2], 2)) - np.stack([x, y], -1)
            error = np.linalg.norm(motion - truth, axis=-1)[inside]
            assert error.mean() < 0.01
            assert error.max() < 0.1


def test_an_orthographic_camera_that_slides_and_zooms_sees_the_wall_as_it_is() -> None:
    """Depth, motion and validity in closed form; the wall is turned, so its depth changes."""
    shot, arrays = wall_shot()
    poses = np.stack([shots.look_at((0.1 * t + 1, -3, 0.3), (0.1 * t, 0, 0)) for t in range(3)])
    lens = np.array([[35 + 2 * t, 35 + 2 * t, 70, 40] for t in range(3)], float)
    camera = s.CameraTrack(
        arrays.add(poses), arrays.add(lens), orthographic=arrays.add(np.ones(3, np.uint8))
    )
    frames = render_all(shots.changed(shot, camera=camera), arrays)
    y, x = np.mgrid[: shot.film.height, : shot.film.width] + 0.5
    for row, frame in enumerate(frames):
        pose, (fx, fy, cx, cy) = poses[row], lens[row]
        starts = np.stack([(x - cx) / fx, (y - cy) / fy, np.zeros_like(x)], -1)
        starts = starts @ pose[:3, :3].T + pose[:3, 3]
        depth = -starts[..., 1] / pose[1, 2]
        points = starts + depth[..., None] * pose[:3, 2]
        inside = (np.abs(points[..., [0, 2]]) < 0.9).all(-1)
        assert inside.sum() > 2000
        assert np.ptp(depth[inside]) > 0.4
        np.testing.assert_allclose(frame.depth[inside], depth[inside], rtol=1e-3)
        np.testing.assert_allclose(frame.median[inside], depth[inside], rtol=1e-3)
        assert frame.coverage[inside].min() > 0.99
        assert not frame.coverage[0, :2].any()
        for other, motion in ((row + 1, frame.forward), (row - 1, frame.backward)):
            if 0 <= other < 3:
                pixels, _ = project(
                    points.reshape(-1, 3), poses[other], lens[other], orthographic=True
                )
                truth = pixels.reshape((*points.shape[:2], 2)) - np.stack([x, y], -1)
                error = np.linalg.norm(motion - truth, axis=-1)[inside]
                assert np.linalg.norm(truth[inside], axis=-1).mean() > 1
                assert error.mean() < 0.01
                assert error.max() < 0.1
    assert frames[0].valid_forward.mean() > 0.9


def test_a_render_region_leaves_the_rest_empty(wall) -> None:
    shot, arrays, frames = wall
    film = s.Film(shot.film.width, shot.film.height, region=(30, 10, 90, 50))
    alone = render_all(shots.changed(shot, film=film), arrays)[1]
    for name, value in vars(frames[1]).items():
        if name in ("frame", "valid_forward", "valid_backward"):
            continue
        found, empty = getattr(alone, name), np.ones(value.shape[:2], bool)
        empty[10:50, 30:90] = False
        np.testing.assert_array_equal(found[~empty], value[~empty], err_msg=name)
        nothing = {"depth": np.inf, "median": np.inf, "index": -1}.get(name, 0)
        assert (found[empty] == nothing).all(), name
    assert not alone.valid_forward[:10].any()


def test_clipping_may_change_from_frame_to_frame(wall) -> None:
    shot, arrays, _ = wall
    clip = np.array([[0.1, 99.0], [0.1, 2.0], [4.0, 99.0]])
    camera = msgspec.structs.replace(shot.camera, clip=arrays.add(clip))
    frames = render_all(shots.changed(shot, camera=camera), arrays)
    assert [bool(np.isfinite(frame.depth).any()) for frame in frames] == [True, False, False]


def test_validity_knows_the_ends_of_the_shot(wall) -> None:
    shot, arrays, frames = wall
    assert not frames[0].valid_backward.any()
    assert not frames[-1].valid_forward.any()
    for row, frame in enumerate(frames):
        inside = points_on_wall(shot, arrays, row)[2]
        if row < 2:
            assert frame.valid_forward[inside].mean() > 0.99
        if row > 0:
            assert frame.valid_backward[inside].mean() > 0.99


def test_a_frame_alone_equals_the_same_frame_in_the_row(wall) -> None:
    shot, arrays, frames = wall
    known = {frame.frame: frame.depth for frame in frames}
    asked = []

    def depth(frame: int) -> Array:
        asked.append(frame)
        return known[frame]

    alone = render_all(shot, arrays, {2}, depth)
    assert [frame.frame for frame in alone] == [2]
    assert asked == [1, 3]
    for name, value in vars(frames[1]).items():
        np.testing.assert_array_equal(getattr(alone[0], name), value, err_msg=name)


def test_backdrop_is_opaque_or_left_out(wall) -> None:
    shot, arrays, frames = wall
    np.testing.assert_allclose(frames[0].beauty[0, 0], [0.1, 0.2, 0.3, 1.0], rtol=1e-6)
    np.testing.assert_allclose(frames[0].beauty[..., 3], 1.0, atol=1e-6)
    clear = shots.changed(shot, world=s.World(background=(9, 9, 9), transparent=True))
    first = render_all(clear, arrays)[0]
    assert (first.beauty[0, 0] == 0).all()
    inside = points_on_wall(shot, arrays, 0)[2]
    assert first.beauty[inside][:, 3].min() > 0.95
    rim = (first.beauty[..., 3] > 0.2) & (first.beauty[..., 3] < 0.8)
    assert rim.any()
    # Premultiplied: what is half there is half as bright.
    full = np.median(first.beauty[inside][:, 0])
    assert (first.beauty[rim][:, 0] < 0.9 * full).all()


def test_a_film_cut_out_of_a_larger_one_shows_its_part_of_the_backdrop() -> None:
    image = np.zeros((60, 80, 3), np.float32)
    image[..., 0], image[..., 1] = np.linspace(0, 1, 80), np.linspace(0, 1, 60)[:, None]
    arrays = ArraySet()
    world = s.World(background_image=arrays.add(image))
    shot = shots.shot(arrays, [], world=world)
    whole = backdrop_of(shots.changed(shot, film=s.Film(160, 120)), arrays)
    cut = s.Film(50, 30, whole=(20, 70, 160, 120))
    part = backdrop_of(shots.changed(shot, film=cut), arrays)
    np.testing.assert_allclose(part, whole[70:100, 20:70], atol=1e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_backdrop_image_is_stretched_to_the_film(kind: type) -> None:
    image = np.zeros((2, 2, 4), kind)
    image[..., 3] = 255 if kind is np.uint8 else 1
    image[:, 1, 0] = 188 if kind is np.uint8 else 0.5  # sRGB 188 is half the light
    image[1, 0, 3] = 0
    arrays = ArraySet()
    world = s.World(background=(0.0, 0.25, 0.0), background_image=arrays.add(image))
    body = shots.body(arrays, "Far", shots.plane(0.1), role="static", poses=shots.place((0, 99, 0)))
    beauty = render_all(shots.shot(arrays, [body], frames=(1, 1), world=world), arrays)[0].beauty
    np.testing.assert_allclose(beauty[2, -3], [0.5, 0, 0, 1], atol=0.01)
    np.testing.assert_allclose(beauty[2, 2], [0, 0, 0, 1], atol=0.01)
    np.testing.assert_allclose(beauty[-3, 2], [0, 0.25, 0, 1], atol=0.02)


def test_lights_and_shadows_reach_the_picture() -> None:
    """A box on a floor darkens where a sun is behind it, and only with shadows on."""
    arrays = ArraySet()
    bodies = [
        shots.body(arrays, "Box", shots.cube(0.6), role="static", poses=shots.place((0, 0, 0.3))),
        shots.body(arrays, "Floor", shots.plane(), role="static", color=(0.5, 0.5, 0.5)),
    ]
    sun = shots.place((0, 0, 5), np.array([[0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, 0.6]]))
    shot = shots.shot(
        arrays, bodies, frames=(1, 1), size=(160, 90), render=s.RenderSettings(splats=20_000),
        lights=(s.Light("Sun", "sun", arrays.add(sun[None]), power=3.0),),
        camera_pose=shots.look_at((0, -2.5, 3.0), (0, 0, 0)),
    )  # fmt: skip
    with_shadows = render_all(shot, arrays)[0]
    without = render_all(
        shots.changed(shot, render=s.RenderSettings(splats=20_000, shadows=False)), arrays
    )[0]

    def at(frame: RenderedFrame, x: float, y: float) -> Array:
        pixel, _ = project(
            np.array([[x, y, 0.0]]), arrays.of(shot.camera.camera_to_world)[0],
            arrays.of(shot.camera.intrinsics)[0],
        )  # fmt: skip
        return frame.beauty[int(pixel[0, 1]), int(pixel[0, 0]), :3]

    expected = 0.5 / np.pi * 3.0 * 0.6
    assert abs(at(with_shadows, 0.9, 0.8)[0] / expected - 1) < 0.15, (
        "the open floor, gloss included"
    )
    assert at(with_shadows, -0.6, 0.0)[0] < 0.25 * at(without, -0.6, 0.0)[0]
    np.testing.assert_allclose(at(with_shadows, 0.9, 0.8), at(without, 0.9, 0.8), rtol=0.02)
