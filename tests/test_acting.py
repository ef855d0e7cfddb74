"""The shot's forces through the stage: fields, groups, windows, releases; keys and digests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.shot import RenderSettings, Shot
from impetus.backend.stages.acting import Acting, kernel_field
from impetus.backend.stages.bodies.prepare import prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.simulate import SimulatedFrame, simulate, simulate_key, track_digests
from impetus.kernels.blender_noise import gust

from . import shots
from .test_simulate import Ear

SMALL = RenderSettings(splats=600)
FPS = 24.0
MASS = 0.4**3 * 1000
TOP = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32)


def floating(frames: tuple[int, int] = (1, 5)) -> tuple[Shot, ArraySet]:
    shot, arrays = shots.falling_cube(frames=frames, render=SMALL)
    return shots.changed(shot, gravity=arrays.add(np.zeros((1, 3)))), arrays


def frames_of(
    shot: Shot, arrays: ArraySet, folder: Path, *forces: f.Force
) -> Sequence[SimulatedFrame]:
    acted = shots.changed(shot, forces=forces)
    prepared = prepare(acted, arrays)
    cache = FrameCache(folder / simulate_key(acted, arrays, prepared))
    return list(simulate(acted, arrays, prepared, cache, Ear()))


def shift(frames: Sequence[SimulatedFrame]) -> np.ndarray:
    return (frames[-1].mean - frames[0].mean).mean(axis=0)


def test_a_push_in_newtons_moves_a_body_by_its_mass(tmp_path: Path) -> None:
    shot, arrays = floating()
    force = arrays.add(np.array([[MASS * 2.0, 0, 0]]))
    found = frames_of(shot, arrays, tmp_path, f.Push("Push", "Cube", None, force))
    np.testing.assert_allclose(shift(found), [2 * (4 / FPS) ** 2 / 2, 0, 0], rtol=5e-3, atol=1e-5)
    late = f.Push("Push", "Cube", None, force, window=f.Window(3.0, 4.0))
    found = frames_of(shot, arrays, tmp_path, late)
    np.testing.assert_allclose(found[2].mean, found[0].mean, atol=1e-6)
    coasted = 2 / FPS * (0.5 + 1) / FPS
    np.testing.assert_allclose(shift(found), [coasted, 0, 0], rtol=5e-3, atol=1e-5)


def test_an_impulse_comes_at_its_frame(tmp_path: Path) -> None:
    shot, arrays = floating()
    blow = f.Impulse("Blow", "Cube", None, 2.5, (MASS, 0.0, 0.0))
    found = frames_of(shot, arrays, tmp_path, blow)
    np.testing.assert_allclose(shift(found), [2.5 / FPS, 0, 0], rtol=0.02, atol=1e-4)


def test_a_keyed_push_is_taken_frame_by_frame(tmp_path: Path) -> None:
    shot, arrays = floating()
    rows = np.zeros((5, 3))
    rows[:, 0] = MASS * np.array([0, 1, 2, 3, 4])
    found = frames_of(shot, arrays, tmp_path, f.Push("Push", "Cube", None, arrays.add(rows)))
    seconds = 4 / FPS
    assert shift(found)[0] == pytest.approx(4 * seconds**2 / 6, rel=0.02)


def test_a_pinned_group_holds_a_body_and_a_moved_one_carries_it(tmp_path: Path) -> None:
    shot, arrays = shots.falling_cube(frames=(1, 7), render=SMALL)
    group = f.Group("Top", arrays.add(TOP))
    found = frames_of(shot, arrays, tmp_path, f.Pin("Pin", "Cube", group))
    assert abs(shift(found)[2]) < 0.02  # free, it would have fallen by 0.31 m
    lift = np.tile(np.eye(4), (7, 1, 1))
    lift[:, 2, 3] = 0.02 * np.arange(7)
    pin = f.Pin("Pin", "Cube", group, arrays.add(lift))
    found = frames_of(shot, arrays, tmp_path, pin)
    assert shift(found)[2] == pytest.approx(0.12, abs=0.02)
    top = found[0].mean[:, 2] > 0.99
    np.testing.assert_allclose((found[-1].mean - found[0].mean)[top, 2], 0.12, atol=0.01)
    let_go = f.Pin("Pin", "Cube", group, window=f.Window(None, 4.0))
    found = frames_of(shot, arrays, tmp_path, let_go)
    assert shift(found)[2] < -0.05


def test_a_release_lets_the_lowest_go_first(tmp_path: Path) -> None:
    shot, arrays = shots.falling_cube(frames=(1, 7), render=SMALL)
    release = f.Release("Release", "Cube", 2.0, 6.0)
    found = frames_of(shot, arrays, tmp_path, release)
    np.testing.assert_allclose(found[1].mean, found[0].mean, atol=1e-6)
    high = found[0].mean[:, 2] > 0.9
    fallen = (found[0].mean - found[4].mean)[:, 2]
    assert fallen[~high].max() > 10 * max(np.abs(fallen[high]).mean(), 1e-6)


def test_a_field_of_the_shot_acts_on_its_bodies(tmp_path: Path) -> None:
    shot, arrays = floating()
    pose = arrays.add(shots.place((0, 0, 0.8))[None])
    spring = f.Harmonic("Spring", arrays.add(shots.place((0.2, 0, 0.8))[None]),
                        arrays.add(np.array([16.0])))  # fmt: skip
    found = frames_of(shot, arrays, tmp_path, spring)
    assert shift(found)[0] == pytest.approx(0.2 * (1 - np.cos(4 * 4 / FPS)), rel=0.01)
    flow = f.Wind("Wind", pose, arrays.add(np.array([3.0])), falloff=f.Falloff(farthest=9.0))
    found = frames_of(shot, arrays, tmp_path, flow)
    assert shift(found)[2] == pytest.approx(3 * (4 / FPS) ** 2 / 2, rel=5e-3)


def test_noise_gusts_as_blenders_from_frame_to_frame() -> None:
    shot, arrays = floating()
    wind = f.Wind("Wind", *(arrays.add(a) for a in (np.eye(4)[None], np.array([3.0]))), 2.0, 7)
    for frame in (1, 2, 3):
        field = kernel_field(shot, arrays, wind, frame, frame + 1)
        assert field.strength == pytest.approx(3 + 2 * gust(7 + frame + 1))


def test_even_wind_costs_no_pass_over_the_grid() -> None:
    shot, arrays = floating()
    wind = f.Wind("Wind", *(arrays.add(a) for a in (np.eye(4)[None], np.array([3.0]))), flow=0.5)
    shot = shots.changed(shot, forces=(wind,))
    none = np.zeros((0, 4, 4))
    push = Acting(shot, arrays, prepare(shot, arrays).matter.particles).push(1, none, none)
    assert not push.fields
    np.testing.assert_allclose(push.force(), [0, 0, 3, 0.5])


def test_key_and_digests_follow_what_acts() -> None:
    shot, arrays = floating()

    def key_and_digests(*forces: f.Force) -> tuple[str, dict[int, bytes]]:
        acted = shots.changed(shot, forces=forces)
        return simulate_key(acted, arrays, prepare(acted, arrays)), track_digests(acted, arrays)

    force = arrays.add(np.array([[1.0, 0, 0]]))
    base = f.Push("Push", "Cube", None, force, window=f.Window(1.0, 3.0))
    key, digests = key_and_digests(base)
    assert (
        key_and_digests(f.Push("Other", "Cube", None, force, window=f.Window(1.0, 3.0)))[0] == key
    )
    longer = key_and_digests(f.Push("Push", "Cube", None, force, window=f.Window(1.0, 4.0)))
    assert longer[0] == key
    assert [longer[1][n] == digests[n] for n in range(1, 6)] == [True, True, True, False, False]
    ramp = np.array([[1.0, 0, 0]] * 4 + [[2.0, 0, 0]])
    keyed = key_and_digests(f.Push("Push", "Cube", None, arrays.add(ramp), window=base.window))
    assert keyed[0] == key
    assert [keyed[1][n] == digests[n] for n in range(1, 6)] == [True] * 4 + [False]
    group = f.Group("Top", arrays.add(TOP))
    assert key_and_digests(f.Push("Push", "Cube", group, force, window=base.window))[0] != key
    wind = f.Wind("Wind", *(arrays.add(a) for a in (np.eye(4)[None], np.array([3.0]))))
    gusty = f.Wind("Wind", wind.poses, wind.strength, 1.0)
    assert key_and_digests(wind)[0] != key_and_digests(gusty)[0]
    early, late = (key_and_digests(f.Impulse("Blow", "Cube", None, n))[1] for n in (2.5, 3.5))
    assert [early[n] == late[n] for n in range(1, 6)] == [True, True, False, False, False]
