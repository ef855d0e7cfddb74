"""Rigid bodies of a shot: alone and with matter, seen, cached, refused where they cannot be."""

from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.stages.bodies.prepare import estimate, prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.simulate import SimulatedFrame, simulate, simulate_key
from tests import shots
from tests.test_simulate import Ear, frames_of, same

SMALL = s.RenderSettings(splats=600)
STEEL = materials.Rigid(7850.0, 0.4, 0.3)


def dropped(frames: tuple[int, int] = (1, 12), **fields: object) -> tuple[s.Shot, ArraySet]:
    """A tumbling steel cube that falls on a floor, nothing else."""
    arrays = ArraySet()
    cube = shots.body(
        arrays, "Cube", shots.cube(0.3), poses=shots.place((0, 0, 0.6)), material=STEEL,
        velocity=(0.5, 0, 0), angular_velocity=(2.0, 5.0, 1.0),
    )  # fmt: skip
    floor = shots.body(arrays, "Floor", shots.plane(), role="static")
    return shots.shot(arrays, [cube, floor], frames=frames, render=SMALL, **fields), arrays


def billiard(frames: tuple[int, int] = (1, 6)) -> tuple[s.Shot, ArraySet]:
    """A steel ball that falls on jelly."""
    arrays = ArraySet()
    bodies = [
        shots.body(arrays, "Jelly", shots.cube(0.4), poses=shots.place((0, 0, 0.2))),
        shots.body(
            arrays, "Ball", shots.sphere(0.15), poses=shots.place((0, 0, 0.6)), material=STEEL
        ),
    ]
    return shots.shot(arrays, bodies, frames=frames, render=SMALL), arrays


def shape_error(first: SimulatedFrame, now: SimulatedFrame, which: np.ndarray) -> float:
    """How far splats are from a rigid motion of where they were [m]."""
    a, b = first.mean[which].astype(float), now.mean[which].astype(float)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    u, _, vt = np.linalg.svd(a.T @ b)
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return float(np.abs(a @ turn - b).max())


def test_a_rigid_shot_falls_lands_and_keeps_its_shape(tmp_path: Path) -> None:
    shot, arrays = dropped((1, 48))
    frames = list(frames_of(shot, arrays, tmp_path))
    everything = np.ones(len(frames[0].mean), bool)
    assert max(shape_error(frames[0], frame, everything) for frame in frames) < 1e-5
    time = 5 / 24
    fall = (frames[0].mean - frames[5].mean).mean(axis=0)
    assert fall[2] == pytest.approx(9.81 * time**2 / 2, rel=1e-2)
    # an upright cube's corner would hang lower: the floor holds it, and it lies flat in the end
    for frame in frames:
        assert frame.mean[:, 2].min() > -2e-3
    assert frames[-1].mean[:, 2].max() == pytest.approx(0.3, abs=5e-3)
    last = frames[-1].deformation
    np.testing.assert_allclose(last @ last.transpose(0, 2, 1), [np.eye(3)] * len(last), atol=1e-6)


def test_a_rigid_shot_needs_no_particles_and_little_disk(tmp_path: Path) -> None:
    shot, arrays = dropped()
    assert estimate(shot, arrays).particles == 0
    assert estimate(shot, arrays).disk_bytes == 0
    assert len(prepare(shot, arrays).matter.particles.position) == 0


def test_a_resumed_rigid_shot_equals_an_unbroken_one(tmp_path: Path) -> None:
    shot, arrays = dropped((1, 12))
    whole = list(frames_of(shot, arrays, tmp_path / "whole"))
    short, _ = dropped((1, 7))
    first = list(frames_of(short, arrays, tmp_path / "parts"))
    rest = list(frames_of(shot, arrays, tmp_path / "parts"))
    assert same(first, whole[:7])
    assert same(rest, whole)


def test_steel_on_jelly_dents_it_and_both_are_seen(tmp_path: Path) -> None:
    shot, arrays = billiard()
    prepared = prepare(shot, arrays)
    cache = FrameCache(tmp_path / simulate_key(shot, arrays, prepared))
    frames = list(simulate(shot, arrays, prepared, cache, Ear()))
    ball = prepared.tracers.body == 1
    assert shape_error(frames[0], frames[-1], ball) < 1e-5
    assert frames[-1].mean[ball][:, 2].mean() < 0.57
    top = [frame.mean[~ball][:, 2].max() for frame in frames]
    assert top[-1] < 0.45
    # again, from the cache
    assert same(list(simulate(shot, arrays, prepared, cache, Ear())), frames)


def test_another_material_is_another_simulation() -> None:
    shot, arrays = dropped()
    other = shots.changed(
        shot,
        bodies=(
            shots.changed(shot.bodies[0], material=materials.Rigid(7850.0, 0.4, 0.5)),  # type: ignore[arg-type]
            shot.bodies[1],
        ),
    )
    keys = {simulate_key(each, arrays, prepare(each, arrays)) for each in (shot, other)}
    assert len(keys) == 2


def test_bodies_that_start_deep_inside_each_other_are_named() -> None:
    arrays = ArraySet()
    bodies = [
        shots.body(arrays, name, shots.cube(0.3), poses=shots.place((0, 0, z)), material=STEEL)
        for name, z in (("Lower", 0.2), ("Upper", 0.4))
    ]
    shot = shots.shot(arrays, bodies)
    with pytest.raises(ShotError, match=r"(Lower|Upper).*m inside"):
        _ = prepare(shot, arrays).matter


def test_a_body_that_starts_inside_a_collider_is_named() -> None:
    arrays = ArraySet()
    bodies = [
        shots.body(arrays, "Cube", shots.cube(0.3), poses=shots.place((0, 0, 0.5)), material=STEEL),
        shots.body(
            arrays, "Rock", shots.sphere(0.3), poses=shots.place((0, 0, 0.3)), role="static"
        ),
    ]
    with pytest.raises(ShotError, match="m inside"):
        _ = prepare(shots.shot(arrays, bodies), arrays).matter


def test_an_open_rigid_sheet_gets_its_thickness(tmp_path: Path) -> None:
    arrays = ArraySet()
    sheet = shots.body(
        arrays, "Sheet", shots.plane(0.6), poses=shots.place((0, 0, 0.5)), material=STEEL,
        thickness=0.05,
    )  # fmt: skip
    shot = shots.shot(arrays, [sheet], frames=(1, 14), render=SMALL)
    prepared = prepare(shot, arrays)
    assert prepared.matter.rigid is not None
    mass = prepared.matter.rigid.bodies[0].mass.mass
    assert mass == pytest.approx(7850 * 0.6 * 0.6 * 0.05, rel=1e-5)
    frames = list(frames_of(shot, arrays, tmp_path))
    # its back lies on the ground, its front is what is seen
    assert frames[-1].mean[:, 2].mean() == pytest.approx(0.05, abs=0.01)


def test_water_leaves_room_for_what_stands_in_it() -> None:
    arrays = ArraySet()
    bodies = [
        shots.body(
            arrays, "Pool", shots.cube(0.8), poses=shots.place((0, 0, 0.4)),
            material=materials.Water(),
        ),
        shots.body(
            arrays, "Ball", shots.sphere(0.2), poses=shots.place((0, 0, 0.5)), material=STEEL
        ),
    ]  # fmt: skip
    particles = prepare(shots.shot(arrays, bodies), arrays).matter.particles
    assert np.linalg.norm(particles.position - (0, 0, 0.5), axis=1).min() > 0.19
    room = 4 / 3 * np.pi * 0.2**3
    assert particles.volume.sum() == pytest.approx(0.8**3 - room, rel=0.02)
