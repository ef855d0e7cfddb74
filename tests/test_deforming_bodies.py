"""Bodies that change their shape: drawn and touched as they do, refused where they cannot be."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.contract.errors import CancelledError, ShotError
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.stages.bodies.deforming import BoundSplats
from impetus.backend.stages.bodies.prepare import Prepared, prepare
from impetus.backend.stages.simulate import SimulatedFrame, simulate_key
from impetus.backend.stages.splats import PosedSplats, pose_splats
from impetus.kernels.mesh_distance import closest_point
from tests import shots

from .test_simulate import SMALL, Ear, frames_of, same

COUNT = 5
SHEET = 9
"Vertices along a side of a sheet."


def sheet(heights: Array) -> tuple[Array, Array]:
    """Return a square of 1.6 m in z = `heights` (SHEET,) along x, facing up."""
    side = np.linspace(-0.8, 0.8, SHEET)
    x, y = np.meshgrid(side, side, indexing="ij")
    z = np.broadcast_to(heights[:, None], x.shape)
    cells = np.arange(SHEET**2).reshape(SHEET, SHEET)
    a, b, c, d = cells[:-1, :-1], cells[1:, :-1], cells[1:, 1:], cells[:-1, 1:]
    faces = [np.stack([p.ravel() for p in face], 1) for face in ((a, b, c), (a, c, d))]
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32)
    return vertices, np.concatenate(faces).astype(np.int32)


def heaving(frame: int) -> Array:
    """Heights of a sheet that rises in its middle, 3 cm a frame."""
    return 0.03 * frame * np.cos(np.linspace(-np.pi / 2, np.pi / 2, SHEET))


def cached(arrays: ArraySet, body: s.Body, rows: Array) -> s.Body:
    cache = s.VertexCache(arrays.add(rows.astype(np.float32)), body.mesh)
    return msgspec.structs.replace(body, role="kinematic", vertex_cache=cache)


def heaved(**fields: object) -> tuple[s.Shot, ArraySet]:
    """A jelly cube on a sheet that heaves it."""
    arrays = ArraySet()
    floor = shots.body(
        arrays, "Sheet", sheet(heaving(0)), role="static", poses=shots.place((0, 0, 0.3))
    )
    rows = np.stack([sheet(heaving(frame))[0] for frame in range(COUNT)])
    cube = shots.body(arrays, "Cube", shots.cube(0.4), poses=shots.place((0, 0, 0.52)))
    bodies = [cube, cached(arrays, floor, rows)]
    return shots.shot(arrays, bodies, frames=(1, COUNT), render=SMALL, **fields), arrays


def posed(shot: s.Shot, arrays: ArraySet, prepared: Prepared, frame: int) -> PosedSplats:
    tracers = len(prepared.tracer_splat)
    mean = prepared.rest_mean[prepared.tracer_splat]
    bent = np.tile(np.eye(3, dtype=np.float32), (tracers, 1, 1))
    state = SimulatedFrame(frame, mean, bent, np.zeros((tracers, 3), np.float32))
    return pose_splats(shot, arrays, prepared, state)


# --- drawn


def test_splats_follow_an_affine_map_of_all_vertices() -> None:
    arrays = ArraySet()
    mesh = shots.sphere(0.3, 2)
    ball = shots.body(arrays, "Ball", mesh, role="static")
    rng = np.random.default_rng(0)
    linear = np.eye(3) + 0.4 * rng.standard_normal((3, 3))
    found = rng.integers(len(mesh[1]), size=50)
    weight = rng.dirichlet(np.ones(3), 50)
    corners = mesh[0][mesh[1][found]].astype(np.float64)
    mean = np.einsum("kc,kcd->kd", weight, corners).astype(np.float32)
    bound = BoundSplats.of(mean, cached(arrays, ball, mesh[0][None]), arrays)
    there, bent = bound.at((mesh[0] @ linear.T + [1, 2, 3]).astype(np.float32))
    np.testing.assert_allclose(there, mean @ linear.T + [1, 2, 3], atol=1e-5)
    for along in (corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]):
        np.testing.assert_allclose(
            np.einsum("kij,kj->ki", bent, along), along @ linear.T, atol=1e-5
        )
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = np.einsum("kij,kj->ki", bent, across / np.linalg.norm(across, axis=1)[:, None])
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-4)
    upright = across @ np.linalg.inv(linear) * np.sign(np.linalg.det(linear))
    upright /= np.linalg.norm(upright, axis=1)[:, None]
    np.testing.assert_allclose(normal, upright, atol=1e-4)


def test_splats_lie_on_the_surface_of_every_frame() -> None:
    shot, arrays = heaved()
    check_shot(shot, arrays)
    prepared = prepare(shot, arrays)
    mine = prepared.looks.body == 1
    for frame in (1, 3, COUNT):
        vertices, triangles = sheet(heaving(frame - 1))
        splats = posed(shot, arrays, prepared, frame)
        at = (splats.pose.mean[mine] - [0, 0, 0.3]).astype(np.float32)
        triangle, _, distance = closest_point(at, vertices, triangles)
        assert distance.max() < 1e-5
        corner = vertices[triangles[triangle]]
        across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        across /= np.linalg.norm(across, axis=1)[:, None]
        facing = (across * splats.normal[mine]).sum(axis=1)
        assert np.median(facing) > 0.9999  # one at an edge may have found its neighbour
        assert facing.min() > 0.9


def test_vertices_that_all_go_one_way_are_drawn_like_an_object_that_does() -> None:
    arrays = ArraySet()
    track = np.stack([shots.place((0.1 * t, 0, 0.5)) for t in range(COUNT)])
    rows = shots.sphere(0.2, 2)[0] + track[:, None, :3, 3].astype(np.float32)
    still = shots.body(arrays, "Ball", shots.sphere(0.2, 2), role="static")
    body = msgspec.structs.replace(cached(arrays, still, rows), contact=None)
    shot = shots.shot(arrays, [body], frames=(1, COUNT), render=SMALL)
    check_shot(shot, arrays)
    prepared = prepare(shot, arrays)
    for frame in (1, 2, COUNT):
        splats = posed(shot, arrays, prepared, frame)
        expected = prepared.rest_mean + track[frame - 1, :3, 3]
        np.testing.assert_allclose(splats.pose.mean, expected, atol=2e-6)
        np.testing.assert_allclose(splats.pose.axes, prepared.rest_axes, atol=1e-6)


# --- touched


def test_what_lies_on_a_sheet_is_heaved_by_it(tmp_path: Path) -> None:
    shot, arrays = heaved()
    *_, last = frames_of(shot, arrays, tmp_path)
    x, z = last.mean[:, 0], last.mean[:, 2]
    over = z - 0.3 - np.interp(x, np.linspace(-0.8, 0.8, SHEET), heaving(COUNT - 1))
    spacing = 2.0 / 24
    assert over.min() > -0.3 * spacing
    assert z.mean() > 0.56  # falling freely it were at 0.38


def test_cut_off_run_goes_on_bit_for_bit_and_late_changes_keep_frames(tmp_path: Path) -> None:
    shot, arrays = heaved()
    ear = Ear()
    whole = list(frames_of(shot, arrays, tmp_path / "whole", ear))
    with pytest.raises(CancelledError):
        list(frames_of(shot, arrays, tmp_path / "cut", Ear(0.6 * ear.checks)))
    assert 1 <= len(list((tmp_path / "cut").glob("*/frame_*"))) < COUNT
    assert same(whole, list(frames_of(shot, arrays, tmp_path / "cut")))
    cache = shot.bodies[1].vertex_cache
    assert cache is not None
    rows = arrays.of(cache.vertices).copy()
    rows[-1] += 0.01
    other = cached(arrays, shot.bodies[1], rows)
    changed = shots.changed(shot, bodies=(shot.bodies[0], other))
    again = list(frames_of(changed, arrays, tmp_path / "whole"))
    assert same(whole[:-1], again[:-1])
    assert not same(whole[-1:], again[-1:])


def test_key_knows_whether_a_collider_changes_its_shape() -> None:
    shot, arrays = heaved()
    plain = msgspec.structs.replace(shot.bodies[1], vertex_cache=None)
    kept = shots.changed(shot, bodies=(shot.bodies[0], plain))
    keys = {simulate_key(one, arrays, prepare(one, arrays)) for one in (shot, kept)}
    assert len(keys) == 2


def test_a_sheet_is_given_its_thickness_in_every_frame() -> None:
    shot, arrays = heaved()
    matter = prepare(shot, arrays).matter
    surface = matter.moving[0]
    spacing = matter.domain.spacing
    for frame in (1, COUNT):
        vertices, count = surface.at(frame), SHEET**2
        np.testing.assert_array_equal(vertices[:count], sheet(heaving(frame - 1))[0])
        away = np.linalg.norm(vertices[count:] - vertices[:count], axis=1)
        np.testing.assert_allclose(away, 2 * spacing, rtol=1e-5)
        assert (vertices[count:, 2] < vertices[:count, 2]).all()
    assert surface.shell == 0.0


# --- refused


def spoiled(shot: s.Shot, arrays: ArraySet, **fields: object) -> s.Shot:
    body = msgspec.structs.replace(shot.bodies[1], **fields)
    return shots.changed(shot, bodies=(shot.bodies[0], body))


def with_rows(rows: Array) -> tuple[s.Shot, ArraySet]:
    shot, arrays = heaved()
    cache = s.VertexCache(arrays.add(rows), shot.bodies[1].mesh)
    return spoiled(shot, arrays, vertex_cache=cache), arrays


ROWS = np.stack([sheet(heaving(frame))[0] for frame in range(COUNT)])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            ROWS[:3],
            r"Sheet, moving vertices: expected f4 \(5, 81, 3\), a row for each frame, got f4",
        ),
        (ROWS[:, :80], r"expected f4 \(5, 81, 3\), .* got f4 \(5, 80, 3\)"),
        (ROWS.astype(np.float64), "got f8"),
        (np.where(ROWS > 0.1, np.nan, ROWS).astype(np.float32), "expected finite numbers, got nan"),
    ],
)
def test_vertices_that_do_not_fit_are_named(rows: Array, words: str) -> None:
    with pytest.raises(ShotError, match=words):
        check_shot(*with_rows(rows))


def test_only_kinematic_bodies_change_their_shape() -> None:
    shot, arrays = heaved()
    with pytest.raises(ShotError, match="kinematic body with a mesh, got a static body"):
        check_shot(spoiled(shot, arrays, role="static"), arrays)


def test_moving_vertices_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from impetus.backend.contract import shape_check

    monkeypatch.setattr(shape_check, "MOST_SHAPE_BYTES", 1000)
    with pytest.raises(ShotError, match="got 81 vertices in 5 frames"):
        check_shot(*heaved())


def test_what_cannot_feel_it_says_so() -> None:
    shot, arrays = heaved()
    hard = msgspec.structs.replace(shot.bodies[0], material=materials.Rigid())
    rigid = shots.changed(shot, bodies=(hard, shot.bodies[1]))
    with pytest.raises(ShotError, match=r"Sheet: .* beside rigid bodies, .* beside Cube"):
        check_shot(rigid, arrays)
    smoke = s.Emitter("Fire", shot.bodies[0].mesh, shot.bodies[0].poses)
    with pytest.raises(ShotError, match=r"Sheet: .* beside smoke and flocks, .* beside Fire"):
        check_shot(shots.changed(shot, emitters=(smoke,)), arrays)
    seen = spoiled(shot, arrays, contact=None)
    check_shot(shots.changed(seen, emitters=(smoke,)), arrays)


def test_a_shape_that_changes_too_fast_is_refused_by_name() -> None:
    rows = ROWS.copy()
    rows[3:, :, 2] += 4000.0
    shot, arrays = with_rows(rows)
    with pytest.raises(ShotError, match=r"Sheet: expected to move by at most .* after frame 3"):
        prepare(shot, arrays)
