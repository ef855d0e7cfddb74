"""Flocks of a shot: order, obstacles, orientation, cache, and bodies in the frames."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import shot as s
from impetus.backend.contract.air_check import object_names
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.contract.take_files import frame_path
from impetus.backend.stages.air.flocks import Agents, FlockRun, with_flocks
from impetus.backend.stages.air.simulated import Simulated
from impetus.backend.stages.pipeline import Workspace, run
from impetus.backend.stages.takes.exr import read_frame

from . import shots
from .air_cases import Quiet


def flying(
    arrays: ArraySet, bodies: tuple[s.Body, ...] = (), frames: tuple[int, int] = (1, 30), **fields
) -> s.Shot:  # type: ignore[no-untyped-def]
    """A flock of darts that point along +y, about (0, 0, 1)."""
    place = fields.pop("place", (0, 0, 1))
    dart = shots.cube(0.06)[0] * np.float32([0.5, 1, 0.3]), shots.cube()[1]
    body = shots.body(
        arrays, "Bird", dart, role="kinematic", poses=shots.place(place), contact=None
    )
    flock = s.Flock("Bird", body, **({"count": 24, "extent": (1.0, 1.0, 0.6)} | fields))
    return shots.shot(arrays, bodies, frames=frames, flocks=(flock,))


def runs(shot: s.Shot, arrays: ArraySet, folder: Path) -> FlockRun:
    check_shot(shot, arrays)
    return FlockRun(shot, arrays, shot.flocks[0], folder, Quiet())


def unasked(shot: s.Shot, arrays: ArraySet) -> Simulated:
    raise AssertionError("nothing is dynamic")


def order(agents: Agents) -> float:
    speed = np.linalg.norm(agents.velocity, axis=1, keepdims=True)
    return float(np.linalg.norm((agents.velocity / speed).mean(axis=0)))


@pytest.mark.parametrize("flat", [False, True])
def test_order_rises_and_agents_fly_nose_first(flat: bool, tmp_path: Path) -> None:
    arrays = ArraySet()
    shot = flying(arrays, frames=(1, 73), sight=1.5, flat=flat, cohesion=0.4)
    flock = runs(shot, arrays, tmp_path)
    start = flock.at(1)
    scattered = np.random.default_rng(0).standard_normal((24, 3)) * (1, 1, 0 if flat else 1)
    # from headings that are anyhow
    turned = scattered / np.linalg.norm(scattered, axis=1, keepdims=True)
    anyhow = Agents(
        start.position, (2 * turned).astype(np.float32), *[turned.astype(np.float32)] * 2
    )
    flock._keep(1, anyhow)
    flock._latest = None
    assert order(anyhow) < 0.4
    last = flock.at(73)
    assert order(last) > 0.9
    poses = last.poses("+y")
    heading = last.velocity / np.linalg.norm(last.velocity, axis=1, keepdims=True)
    assert (np.einsum("ni,ni->n", poses[:, :3, 1], heading) > 0.97).all()
    assert (poses[:, 2, 2] > 0).all()  # none upside down
    gram = poses[:, :3, :3] @ poses[:, :3, :3].swapaxes(1, 2)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=1e-6)
    assert np.linalg.det(poses[:, :3, :3]).min() > 0.99
    if flat:
        np.testing.assert_allclose(last.position[:, 2], 1, atol=1e-6)


def test_no_agent_comes_through_an_obstacle_that_stands_or_moves(tmp_path: Path) -> None:
    """A wall 4 cm thick before the goal, and a ball that sweeps through them."""
    arrays = ArraySet()
    sides = np.float32([4, 0.04, 4])
    wall = shots.body(arrays, "Wall", (shots.cube(1.0)[0] * sides, shots.cube()[1]), role="static",
                      poses=shots.place((0, 1.5, 1)))  # fmt: skip
    sweep = np.stack([shots.place((-1.5 + 0.1 * k, 0.5, 1)) for k in range(40)])
    ball = shots.body(arrays, "Ball", shots.sphere(0.3, 2), role="kinematic", poses=sweep)
    goal = arrays.add(np.array([[0.0, 4, 1]]))
    shot = flying(arrays, (wall, ball), (1, 40), goal=goal, attraction=4.0, agility=20.0)
    flock = runs(shot, arrays, tmp_path)
    nearest = []
    for frame in range(1, 41):
        agents = flock.at(frame)
        assert agents.position[:, 1].max() < 1.5 - 0.02 - 0.9 * flock.radius
        away = np.linalg.norm(agents.position - sweep[frame - 1][:3, 3], axis=1)
        nearest.append(away.min())
        assert away.min() > 0.29 + 0.8 * flock.radius
        assert agents.position[:, 2].min() > 0.9 * flock.radius  # the ground
    assert min(nearest) < 0.6  # it did come close


def test_a_flock_goes_on_from_the_cache_to_the_same_bits(tmp_path: Path) -> None:
    arrays = ArraySet()
    goal = np.tile([0.0, 2, 1], (12, 1))
    shot = flying(arrays, frames=(1, 12), goal=arrays.add(goal))
    whole = runs(shot, arrays, tmp_path / "a").at(12)
    runs(shot, arrays, tmp_path / "b").at(5)
    resumed = runs(shot, arrays, tmp_path / "b").at(12)
    assert all(a.tobytes() == b.tobytes() for a, b in
               zip(vars(whole).values(), vars(resumed).values(), strict=True))  # fmt: skip
    goal[11] = (5, 0, 1)
    flock = msgspec.structs.replace(shot.flocks[0], goal=arrays.add(goal))
    bent = runs(shots.changed(shot, flocks=(flock,)), arrays, tmp_path / "b").at(12)
    assert bent.position.tobytes() != whole.position.tobytes()


def test_agents_stay_within_bounds(tmp_path: Path) -> None:
    arrays = ArraySet()
    bounds = s.Box((-1, -1, 0.2), (1, 1, 2))
    flock = runs(flying(arrays, frames=(1, 60), bounds=bounds), arrays, tmp_path)
    for frame in range(1, 61, 4):
        agents = flock.at(frame)
        assert (np.abs(agents.position[:, :2]) < 1 - 0.9 * flock.radius).all()


@pytest.mark.parametrize("axis", ["+x", "-y", "+z"])
def test_any_axis_may_fly_foremost(axis: str) -> None:
    ahead = np.array([[0.6, 0, 0.8], [0, 0, 1.0]], np.float32)
    up = np.tile(np.float32([0, 0, 1]), (2, 1))
    poses = Agents(np.zeros((2, 3), np.float32), ahead, ahead, up).poses(axis)
    sign = 1 if axis[0] == "+" else -1
    np.testing.assert_allclose(sign * poses[:, :3, "xyz".index(axis[1])], ahead, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1, atol=1e-6)


def test_agents_are_bodies_of_the_frames_and_move_exactly(tmp_path: Path) -> None:
    arrays = ArraySet()
    shot = flying(arrays, frames=(1, 3), count=12, extent=(0.6, 0.4, 0.4), place=(0, 0, 0.5))
    shot = shots.changed(shot, render=s.RenderSettings(splats=1200))
    for name in ("cache", "take"):
        (tmp_path / name).mkdir()
    run(shot, arrays, Workspace(tmp_path / "cache", tmp_path / "take"), Quiet())
    frame = read_frame(frame_path(tmp_path / "take", "passes", 2), 2)
    shown = np.unique(frame.index[frame.index >= 0])
    assert len(shown) > 5
    assert object_names(shot)[shown[-1]].startswith("Bird ~")
    expanded, more = with_flocks(shot, arrays, tmp_path / "cache", Quiet(), unasked)
    assert [body.name for body in expanded.bodies] == list(object_names(shot))
    check_shot(expanded, more)
    camera, k = (more.of(ref)[0] for ref in (shot.camera.camera_to_world, shot.camera.intrinsics))
    for index in shown:
        # of the pixels of one agent, the mean motion is that of its middle, but for its turning
        poses = more.of(expanded.bodies[index].poses)[1:3]
        eye = (poses[:, :3, 3] - camera[:3, 3]) @ camera[:3, :3]
        pixels = eye[:, :2] / eye[:, 2:] * k[:2] + k[2:]
        mine = (frame.index == index) & frame.valid_forward
        if mine.sum() > 3:
            found = frame.forward[mine].mean(axis=0)
            np.testing.assert_allclose(found, pixels[1] - pixels[0], atol=0.25)


def test_what_cannot_fly_is_named(tmp_path: Path) -> None:
    arrays = ArraySet()
    for fields, sentence in (
        ({"speed": 5.0}, "between the slowest and the fastest"),
        ({"space": 2.0}, "no more than the sight"),
        ({"bounds": s.Box((0, 0, 0), (1, 0, 1))}, "a size above zero"),
    ):
        with pytest.raises(ShotError, match=sentence):
            check_shot(flying(arrays, **fields), arrays)
    crowded = flying(arrays, place=(0, 0, -3), extent=(1.0, 1.0, 1.0))
    with pytest.raises(ShotError, match="expected room for 24 agents"):
        runs(crowded, arrays, tmp_path).at(1)
