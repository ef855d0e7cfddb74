"""Captured bodies from the shot to posed, coloured splats: seen, fallen, spun, torn."""

from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.contract.captures.gaussians import BAND_0
from impetus.backend.contract.captures.harmonics import basis
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.stages.bodies.prepare import Prepared, estimate, prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.captures.seen import seen_from
from impetus.backend.stages.images.reflectance import surface_of
from impetus.backend.stages.simulate import SimulatedFrame, simulate, simulate_key
from impetus.backend.stages.splats import PosedSplats, pose_splats, rotations
from impetus.kernels.splats.project import View
from impetus.kernels.splats.raster import render_splats

from . import capture_cases as cases
from . import shots
from .test_render import Quiet

BALL = shots.sphere(0.25, 3)


def ball_shot(degree: int = 0, count: int = 4000, **fields: object) -> tuple[s.Shot, ArraySet]:
    """A captured ball above the ground."""
    arrays = ArraySet()
    splats = cases.splats_on(BALL, count)
    harmonics = np.zeros((count, (degree + 1) ** 2, 3), "f4")
    harmonics[:, 0] = (splats.albedo - 0.5) / BAND_0
    if degree:
        harmonics[:, 1:] = np.random.default_rng(0).normal(0, 0.05, harmonics[:, 1:].shape)
    capture = cases.captured(arrays, splats, harmonics)
    body = cases.body(
        arrays, "Ball", capture, **({"poses": shots.place((0, 0, 0.6))} | fields)
    )  # fmt: skip
    return shots.shot(arrays, [body]), arrays


def still(shot: s.Shot, prepared: Prepared) -> SimulatedFrame:
    count = len(prepared.tracer_splat)
    eye = np.tile(np.eye(3, dtype="f4"), (count, 1, 1))
    return SimulatedFrame(1, prepared.tracers.position, eye, np.zeros((count, 3), "f4"))


def frames_of(shot: s.Shot, arrays: ArraySet, prepared: Prepared, folder: Path):
    cache = FrameCache(folder / simulate_key(shot, arrays, prepared))
    return list(simulate(shot, arrays, prepared, cache, Quiet()))


def test_a_still_capture_shows_what_was_captured() -> None:
    splats = cases.splats_on(BALL, 4000)
    arrays = ArraySet()
    seen = cases.body(arrays, "Ball", cases.captured(arrays, splats), role="static", contact=None)
    shot = shots.shot(arrays, [seen])
    check_shot(shot, arrays)
    prepared = prepare(shot, arrays)
    assert np.array_equal(prepared.rest_mean, splats.mean)
    assert np.array_equal(prepared.rest_axes, splats.axes)
    assert np.allclose(prepared.looks.albedo, splats.albedo, atol=1e-6)
    assert prepared.looks.lit.all()
    assert prepared.estimate.splats == 4000
    assert prepared.domain is None
    facing = np.einsum("nd,nd->n", prepared.rest_normal, splats.mean)
    assert (facing > 0.24).all()


def test_captures_in_srgb_are_shown_as_linear_light() -> None:
    shot, arrays = ball_shot()
    grey = np.full((4000, 1, 3), (0.5 - 0.5) / BAND_0, "f4")
    capture = msgspec.structs.replace(
        shot.bodies[0].capture, harmonics=arrays.add(grey), linear=False
    )
    body = msgspec.structs.replace(shot.bodies[0], capture=capture)
    made = prepare(shots.changed(shot, bodies=(body,)), arrays)
    assert np.allclose(made.looks.albedo, 0.21404, atol=1e-4)


def test_a_turned_body_shows_to_the_eye_what_it_showed_to_the_turned_eye() -> None:
    turn = np.array([[0.0, -1, 0], [0.6, 0, -0.8], [0.8, 0, 0.6]])
    pose = shots.place((0.3, 0.1, 0.5), turn)
    shot, arrays = ball_shot(3, role="static", contact=None, poses=pose)
    prepared = prepare(shot, arrays)
    posed = pose_splats(shot, arrays, prepared, still(shot, prepared))
    eye = np.array([0.5, -3.0, 1.0])
    shown = seen_from(surface_of(shot, prepared.looks), prepared.captured, posed, eye).albedo
    away = posed.pose.mean - eye
    away = (away / np.linalg.norm(away, axis=1, keepdims=True)) @ turn
    expected = 0.5 + np.einsum("nk,nkc->nc", basis(away), prepared.captured.harmonics)
    assert np.abs(shown - np.maximum(expected, 0)).max() < 1e-5
    assert np.ptp(shown - prepared.looks.albedo) > 0.1


def test_two_captures_of_other_degrees_stand_beside_a_mesh() -> None:
    shot, arrays = ball_shot(1, count=500, role="static", contact=None)
    other, more = ball_shot(2, count=300, role="static", contact=None)
    both = ArraySet({**arrays, **more})
    second = msgspec.structs.replace(other.bodies[0], name="Other")
    floor = shots.body(both, "Floor", shots.plane(), role="static")
    shot = shots.changed(shot, bodies=(shot.bodies[0], floor, second))
    made = prepare(shot, both)
    assert made.captured is not None
    assert made.captured.harmonics.shape == (800, 9, 3)
    assert np.array_equal(np.flatnonzero(made.looks.body != 1), made.captured.splat)
    assert np.bincount(made.looks.body).tolist() == [500, 3000, 300]


SOME = (materials.Elastic, materials.Sand, materials.Water, materials.Rigid)
"One of each kind of matter; the others differ in their law alone."


@pytest.mark.parametrize("law", SOME, ids=lambda law: law.__name__)
def test_a_capture_is_a_body_of_any_material(law: type[materials.Material]) -> None:
    shot, arrays = ball_shot(count=2000, material=law())
    check_shot(shot, arrays)
    foretold = estimate(shot, arrays)
    made = prepare(shot, arrays)
    density = law().density
    volume = 4 / 3 * np.pi * 0.25**3
    if law is materials.Rigid:
        (solid,) = made.matter.rigid.bodies
        assert solid.mass.mass == pytest.approx(density * volume, rel=0.02)
        assert len(made.rest_mean) == 2000
    else:
        assert made.matter.particles.volume.sum(dtype=float) == pytest.approx(volume, rel=0.02)
        assert foretold.particles == pytest.approx(len(made.matter.particles.volume), rel=0.1)
        assert 2000 < len(made.rest_mean) <= foretold.splats
    flows = law in get_args(materials.Flowing)
    assert made.round.all() == flows == made.round.any()


def test_inner_splats_have_the_nearest_splats_colour_or_the_chosen_one() -> None:
    shot, arrays = ball_shot(1, count=3000)
    halves = arrays.of(shot.bodies[0].capture.harmonics).copy()
    left = arrays.of(shot.bodies[0].capture.mean)[:, 0] < 0
    halves[:, 0] = np.where(left[:, None], [-1, 0, 0], [1, 0, 0])
    capture = msgspec.structs.replace(shot.bodies[0].capture, harmonics=arrays.add(halves))
    body = msgspec.structs.replace(shot.bodies[0], capture=capture)
    made = prepare(shots.changed(shot, bodies=(body,)), arrays)
    inner = slice(3000, None)
    assert 100 < len(made.rest_mean[inner]) < 600
    side = made.rest_mean[inner, 0] < 0
    assert np.mean(side == (made.looks.albedo[inner, 0] < 0.5)) > 0.95
    assert (made.captured.harmonics[inner, 1:] == 0).all()
    depth = 0.25 - np.linalg.norm(made.rest_mean[inner] - [0, 0, 0.6], axis=1)
    assert (depth > 2 * made.rest_axes[inner, 0, 0]).all()
    painted = msgspec.structs.replace(body, looks=s.Looks(inner_color=(0.9, 0.1, 0.2)))
    made = prepare(shots.changed(shot, bodies=(painted,)), arrays)
    assert np.allclose(made.looks.albedo[inner], (0.9, 0.1, 0.2), atol=1e-4)


def picture(shot: s.Shot, prepared: Prepared, posed: PosedSplats) -> Array:
    pose = shots.look_at((0, -2.0, 0.9), (0, 0, 0.6))
    camera = View(pose, np.array([160.0, 160, 64, 64]), 128, 128, 0.1, 100)
    return render_splats(
        posed.pose, camera, color=prepared.looks.albedo, opacity=prepared.looks.opacity,
        normal=posed.normal, index=prepared.looks.body,
    ).color  # fmt: skip


def test_a_dynamic_capture_starts_as_it_was_captured() -> None:
    images = []
    for fields in ({"role": "static", "contact": None}, {}, {"material": materials.Sand()}):
        shot, arrays = ball_shot(**fields)
        prepared = prepare(shot, arrays)
        posed = pose_splats(shot, arrays, prepared, still(shot, prepared))
        images.append(picture(shot, prepared, posed))
    assert images[0].max() > 0.5
    for image in images[1:]:
        assert np.abs(image - images[0]).max() < 0.02


def test_a_capture_falls_as_its_mesh_does_and_turns_its_harmonics(tmp_path: Path) -> None:
    spin = {"angular_velocity": (0.0, 0.0, 6.0), "material": materials.Elastic()}
    shot, arrays = ball_shot(1, count=2000, **spin, poses=shots.place((0, 0, 1.2)))
    prepared = prepare(shot, arrays)
    frames = frames_of(shot, arrays, prepared, tmp_path)
    last = frames[-1]
    seconds = 3 / 24
    fallen = (last.mean - prepared.tracers.position)[:, 2].mean()
    assert fallen == pytest.approx(-9.81 / 2 * seconds**2, rel=0.02)
    posed = pose_splats(shot, arrays, prepared, last)
    before, after = prepared.tracers.position, last.mean
    u, _, vt = np.linalg.svd((after - after.mean(axis=0)).T @ (before - before.mean(axis=0)))
    turn = u @ vt  # the rotation that fits all places best
    assert 0.5 < np.arccos((np.trace(turn) - 1) / 2) < 6.0 * seconds
    outer = posed.turn[:2000]
    assert np.abs(np.median(outer, axis=0) - turn).max() < 0.02
    assert np.abs(outer @ outer.swapaxes(1, 2) - np.eye(3)).max() < 1e-4


def test_another_colour_keeps_the_simulation_and_another_place_does_not() -> None:
    shot, arrays = ball_shot(count=500)
    body = shot.bodies[0]

    def key(**fields: object) -> str:
        capture = msgspec.structs.replace(body.capture, **fields)
        changed = shots.changed(shot, bodies=(msgspec.structs.replace(body, capture=capture),))
        return simulate_key(changed, arrays, prepare(changed, arrays))

    first = key()
    painted = arrays.of(body.capture.harmonics) + np.float32(0.1)
    assert key(harmonics=arrays.add(painted)) == first
    faint = arrays.of(body.capture.opacity) * np.float32(0.9)
    assert key(opacity=arrays.add(faint)) != first


def test_a_captured_collider_has_the_hulls_distance() -> None:
    shot, arrays = ball_shot(role="static")
    cube = shots.body(arrays, "Cube", shots.cube(0.2), poses=shots.place((0.6, 0, 1.0)))
    (collider,) = prepare(shots.changed(shot, bodies=(*shot.bodies, cube)), arrays).matter.colliders
    index = np.argwhere(np.abs(collider.distance) < 2 * collider.spacing)
    places = np.asarray(collider.origin) + index * collider.spacing
    measured = collider.distance[tuple(index.T)]
    assert np.abs(measured - (np.linalg.norm(places, axis=1) - 0.25)).max() < 0.01


def test_rotations_are_those_of_the_polar_decomposition() -> None:
    rng = np.random.default_rng(0)
    deformation = rng.normal(size=(500, 3, 3)).astype("f4")
    deformation[np.linalg.det(deformation) < 0, 0] *= -1
    deformation = deformation[np.linalg.cond(deformation) < 30]
    u, _, vt = np.linalg.svd(deformation)
    assert np.abs(rotations(deformation) - u @ vt).max() < 1e-3
    broken = np.stack([np.zeros((3, 3)), np.diag([1.0, 1, 0]), np.diag([1.0, 1, -1])])
    turned = rotations(broken.astype("f4"))
    assert np.allclose(np.linalg.det(turned), 1, atol=1e-4)


@pytest.mark.parametrize(
    ("field", "array", "words"),
    [
        ("mean", np.full((500, 3), np.nan, "f4"), "Ball, captured mean: expected finite"),
        ("mean", np.zeros((0, 3), "f4"), "Ball: expected 1 to 20,000,000 captured splats, got 0"),
        ("opacity", np.full(500, 1.5, "f4"), "Ball: expected opacities of 0 to 1, got 1.5"),
        ("opacity", np.zeros(400, "f4"), r"Ball: expected captured opacity f4 \(500,\)"),
        ("harmonics", np.zeros((500, 5, 3), "f4"), "Ball: expected captured harmonics f4"),
        ("axes", np.zeros((500, 3, 3), "f8"), "Ball: expected captured axes f4 .* got f8"),
    ],
)
def test_bad_captures_are_named(field: str, array: Array, words: str) -> None:
    shot, arrays = ball_shot(count=500)
    capture = msgspec.structs.replace(shot.bodies[0].capture, **{field: arrays.add(array)})
    body = msgspec.structs.replace(shot.bodies[0], capture=capture)
    with pytest.raises(ShotError, match=words):
        check_shot(shots.changed(shot, bodies=(body,)), arrays)


def test_shortened_axes_are_told() -> None:
    shot, arrays = ball_shot(count=500)
    axes = arrays.of(shot.bodies[0].capture.axes).copy()
    axes[:7] *= 1000
    capture = msgspec.structs.replace(shot.bodies[0].capture, axes=arrays.add(axes))
    body = msgspec.structs.replace(shot.bodies[0], capture=capture)
    said = prepare(shots.changed(shot, bodies=(body,)), arrays).warnings
    assert any("Ball: 7 of its 500 captured splats are larger than can be" in text for text in said)
