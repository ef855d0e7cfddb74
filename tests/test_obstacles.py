"""Simulated bodies among smoke and flocks: against colliders that move the same way."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.air import Gas, GasLooks
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.stages.air.gas import GasFrame, GasRun, gas_key
from impetus.backend.stages.air.obstacles import Matter, obstacles_of
from impetus.backend.stages.air.room import Room, fluid_domain
from impetus.backend.stages.air.simulated import Simulated, packed_places
from impetus.backend.stages.bodies.prepare import prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.chain import Chain
from impetus.backend.stages.progress import StageClock
from impetus.backend.stages.simulate import simulate, simulate_key
from impetus.backend.stages.views.watched import Watched
from impetus.kernels.mpm.input import Particles

from . import shots
from .air_cases import Quiet, emitter, simulated

AIR = Gas(
    resolution=18, domain=s.Box((-0.6, -0.6, 0.0), (0.6, 0.6, 1.8)), looks=GasLooks(splats=1000),
    vorticity=0.0,
)  # fmt: skip
SMALL = s.RenderSettings(splats=400)
LAST = 8
DART = shots.cube(0.05)[0] * np.float32([0.5, 1, 0.3]), shots.cube()[1]
STAGES = ("prepare", "simulate", "splat", "render", "diffuse", "deliver")


def falling(
    material: materials.Material, frames: tuple[int, int] = (1, LAST), **fields: object
) -> tuple[s.Shot, ArraySet]:
    """A ball that falls, at 2 m/s from the start, into air full of smoke."""
    arrays = ArraySet()
    ball = shots.body(
        arrays, "Ball", shots.sphere(0.25, 3), poses=shots.place((0, 0, 1.4)), material=material,
        velocity=(0, 0, -2.0), angular_velocity=(0, 2.0, 0),
    )  # fmt: skip
    haze = emitter(arrays, mesh=shots.cube(1.2), poses=shots.place((0, 0, 0.5)), temperature=0.0,
                   rate=60.0)  # fmt: skip
    shot = shots.shot(
        arrays, [ball], frames=frames, render=SMALL, emitters=(haze,), gas=AIR, **fields
    )
    return shot, arrays


def flows(
    shot: s.Shot, arrays: ArraySet, folder: Path, bodies: Simulated | None
) -> tuple[GasRun, list[GasFrame]]:
    domain = fluid_domain(shot, arrays)
    kept = FrameCache(folder / gas_key(shot, domain, bodies))
    run = GasRun(shot, arrays, domain, kept, Quiet(), bodies)
    return run, [run.at(n) for n in shot.frames.numbers]


def same(a: GasFrame, b: GasFrame) -> bool:
    fields = ("smoke", "heat", "velocity")
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in fields)


def keyframed(shot: s.Shot, arrays: ArraySet, poses: np.ndarray) -> s.Shot:
    ball = shots.body(arrays, "Ball", shots.sphere(0.25, 3), role="kinematic", poses=poses)
    return shots.changed(shot, bodies=(ball,))


def test_a_rigid_ball_is_to_smoke_what_a_keyframed_one_is(tmp_path: Path) -> None:
    shot, arrays = falling(materials.Rigid(1000.0, 0.3, 0.2))
    bodies = simulated(shot, arrays, tmp_path)
    _, frames = flows(shot, arrays, tmp_path / "gas", bodies)
    poses = np.concatenate([bodies.at(n).poses for n in shot.frames.numbers])
    told = keyframed(shot, arrays, poses)
    _, expected = flows(told, arrays, tmp_path / "gas", None)
    assert all(same(a, b) for a, b in zip(frames, expected, strict=True))
    # it did fall, and it did push
    assert poses[-1, 2, 3] < 0.8
    assert np.abs(frames[-1].velocity).max() > 1.5


@cache
def jelly() -> tuple[s.Shot, ArraySet]:
    return falling(materials.Elastic(young_modulus=1e5))


def test_a_jelly_ball_is_to_smoke_what_a_keyframed_ball_is(tmp_path: Path) -> None:
    """In free fall, where it moves as a rigid one does: the same but for its sampled surface."""
    shot, arrays = jelly()
    bodies = simulated(shot, arrays, tmp_path)
    run, frames = flows(shot, arrays, tmp_path / "gas", bodies)
    gas = run._gas
    assert gas is not None
    assert np.abs(gas.divergence()).max() < 1e-4 * np.abs(gas.velocity()).max()
    middles = [bodies.at(n).places[0].mean(axis=0) for n in shot.frames.numbers]
    turns = [np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
             for a in 2.0 * np.arange(LAST) / 24]  # fmt: skip
    poses = np.stack([shots.place(m, t) for m, t in zip(middles, turns, strict=True)])
    told = keyframed(shot, arrays, poses)
    other, expected = flows(told, arrays, tmp_path / "gas", None)
    assert other._gas is not None
    differ = (gas.solid ^ other._gas.solid).sum() / other._gas.solid.sum()
    assert differ < 0.05
    a, b = gas.velocity(), other._gas.velocity()
    assert np.linalg.norm(a - b) < 0.08 * np.linalg.norm(b)
    # smoke went round it: none is inside, and of what was in its way hardly any is lost
    last = frames[-1].domain
    middle = np.moveaxis(np.indices(last.shape), 0, -1) + 0.5
    place = middle * last.spacing + last.origin
    inside = np.linalg.norm(place - middles[-1], axis=-1) < 0.25 - 0.75 * last.spacing
    assert inside.sum() > 10
    assert not frames[-1].smoke[inside].any()
    total = [frame.smoke.sum() for frame in (frames[-1], expected[-1])]
    assert total[0] == pytest.approx(total[1], rel=0.005)


def test_gas_among_bodies_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    shot, arrays = jelly()
    _, whole = flows(shot, arrays, tmp_path / "a", simulated(shot, arrays, tmp_path / "a"))
    frames = s.FrameRange(1, 4, 24.0, 1)
    short = shots.changed(shot, frames=frames, camera=shots.shot(arrays, [], frames=(1, 4)).camera)
    flows(short, arrays, tmp_path / "b", simulated(short, arrays, tmp_path / "b"))
    _, rest = flows(shot, arrays, tmp_path / "b", simulated(shot, arrays, tmp_path / "b"))
    assert all(same(a, b) for a, b in zip(whole, rest, strict=True))
    domain = fluid_domain(shot, arrays)
    bodies = simulated(shot, arrays, tmp_path / "a")
    harder = shots.changed(shot.bodies[0], material=materials.Elastic(young_modulus=2e5))  # type: ignore[arg-type]
    others = simulated(shots.changed(shot, bodies=(harder,)), arrays, tmp_path / "c")
    assert gas_key(shot, domain, bodies) != gas_key(shot, domain, others)


def test_what_is_kept_without_places_is_made_again(tmp_path: Path) -> None:
    """Smoke that is added to a shot that is simulated already."""
    shot, arrays = jelly()
    prepared = prepare(shot, arrays)
    kept = FrameCache(tmp_path / simulate_key(shot, arrays, prepared))
    before = list(simulate(shot, arrays, prepared, kept, Quiet()))
    assert "places" not in kept.read(3)
    bodies = simulated(shot, arrays, tmp_path)
    places = bodies.at(3).places[0]
    assert "places" in kept.read(3)
    again = list(simulate(shot, arrays, prepared, kept, Quiet()))
    assert all(a.mean.tobytes() == b.mean.tobytes() for a, b in zip(before, again, strict=True))
    fallen = 2.0 * 2 / 24 + 9.81 / 2 * (2 / 24) ** 2
    assert places[:, 2].mean() == pytest.approx(1.4 - fallen, abs=2e-3)
    assert np.ptp(places[:, 2]) == pytest.approx(0.5, abs=0.05)


def test_a_body_that_spreads_takes_the_cells_where_it_is(tmp_path: Path) -> None:
    """Water that was a cube: solid where it is over half full, of its volume."""
    arrays = ArraySet()
    water = shots.body(arrays, "Water", shots.cube(0.4), poses=shots.place((0, 0, 0.3)),
                       material=materials.Water())  # fmt: skip
    shot = shots.shot(arrays, [water], frames=(1, 8), render=SMALL, gas=AIR,
                      simulation=s.SimulationSettings(resolution=24),
                      emitters=(emitter(arrays, poses=shots.place((0, 0, 0.65))),))  # fmt: skip
    bodies = simulated(shot, arrays, tmp_path)
    (thing,) = obstacles_of(shot, arrays, 0.1, bodies)
    assert isinstance(thing, Matter)
    fine = s.Box((-0.8, -0.8, 0.0), (0.8, 0.8, 0.8))
    air = shots.changed(shot, gas=Gas(resolution=32, domain=fine))
    room = Room(air, arrays, fluid_domain(air, arrays), bodies)
    start = room.solid_at_start()
    assert start.sum() * 0.05**3 == pytest.approx(0.4**3, rel=0.1)
    solid, velocity = room.obstacles(6, 0.0)
    assert solid.sum() * 0.05**3 == pytest.approx(0.4**3, rel=0.15)
    x = bodies.at(6).places[0]
    held = np.floor((x - (-0.8, -0.8, 0)) / 0.05).astype(int)
    held = held[(held >= 0).all(axis=1) & (held < solid.shape).all(axis=1)]
    assert solid[tuple(held.T)].mean() > 0.8  # where its particles are it is solid
    spread = velocity[..., 0]
    east = np.arange(spread.shape[0]) > 20
    assert spread[east].sum() > 0 > spread[~east][:12].sum()  # it runs outwards


def test_what_has_left_the_domain_is_in_nobodys_way() -> None:
    shot, arrays = jelly()
    side = 0.05 * (np.arange(8) + 0.5) - 0.2
    at = np.stack(np.meshgrid(side, side, side, indexing="ij"), -1).reshape(-1, 3)
    none, body = np.zeros(len(at), bool), np.zeros(len(at), np.int32)
    volume = np.full(len(at), 0.05**3, np.float32)
    block = Particles(at.astype(np.float32), np.zeros((len(at), 3), np.float32), volume, body, body)
    left = {1: none, 2: at[:, 0] > 0, 3: ~none}
    kept = {n: packed_places(block.position, block, 1, gone) for n, gone in left.items()}
    (thing,) = obstacles_of(shot, arrays, 0.1, Simulated("", {}, kept.get))
    half = thing.at(1, 0.5)
    assert half is not None
    west, east = half.distance.at(np.array([[-0.1, 0, 0], [0.1, 0, 0]]), half.pose)
    assert west < -0.05
    assert east > 0.05
    assert thing.at(2, 0.5) is None
    assert thing.speed(2) == 0.0


def hovering(material: materials.Material) -> tuple[s.Shot, ArraySet]:
    """A ball that falls through a flock that hovers."""
    arrays = ArraySet()
    ball = shots.body(arrays, "Ball", shots.sphere(0.25, 3), poses=shots.place((0, 0, 1.4)),
                      material=material, velocity=(0, 0, -1.0))  # fmt: skip
    bird = shots.body(arrays, "Bird", DART, role="kinematic", poses=shots.place((0, 0, 0.7)),
                      contact=None)  # fmt: skip
    goal = arrays.add(np.array([[0.0, 0, 0.7]]))
    flock = s.Flock("Bird", bird, count=12, extent=(0.8, 0.8, 0.3), speed=0.6, slowest=0.0,
                    fastest=3.0, attraction=3.0, agility=20.0, space=0.1, goal=goal)  # fmt: skip
    return shots.shot(arrays, [ball], frames=(1, LAST), render=SMALL, flocks=(flock,)), arrays


def chained(shot: s.Shot, arrays: ArraySet, folder: Path) -> Chain:
    return Chain(shot, arrays, folder, StageClock(Quiet(), dict.fromkeys(STAGES, 1.0), {}))


@pytest.mark.parametrize("material", [materials.Rigid(), materials.Elastic(young_modulus=1e5)])
def test_no_agent_comes_through_a_simulated_body(
    material: materials.Material, tmp_path: Path
) -> None:
    shot, arrays = hovering(material)
    chain = chained(shot, arrays, tmp_path)
    made = len(list(chain.simulated.folder.glob("frame_*")))
    assert made == LAST  # the flock's bodies are the shot's: they are not simulated twice
    radius = float(np.linalg.norm(DART[0], axis=1).max())
    tracks = np.stack([chain.arrays.of(body.poses) for body in chain.shot.bodies[1:]])
    bodies = simulated(chain.shot, chain.arrays, tmp_path / "simulate")
    nearest = []
    for frame in shot.frames.numbers:
        where, agents = bodies.at(frame), tracks[:, frame - 1, :3, 3]
        middle = where.poses[0, :3, 3] if len(where.poses) else where.places[0].mean(axis=0)
        away = np.linalg.norm(agents - middle, axis=1).min() - 0.25
        assert away > 0.4 * radius  # what deforms is known to a third of a node
        nearest.append(away)
    assert min(nearest) < 0.15  # it came close


def test_who_looks_on_finds_what_was_made_and_makes_nothing(tmp_path: Path) -> None:
    shot, arrays = hovering(materials.Rigid())
    haze = emitter(arrays, poses=shots.place((0, 0, 0.3)))
    shot = shots.changed(shot, emitters=(haze,), gas=AIR)
    early = Watched(shot, arrays, tmp_path / "none", rests=True)
    resting = _tracks(early._shot, early._arrays)
    assert all((track == track[0]).all() for track in resting)
    assert not list((tmp_path / "none").rglob("checkpoint_*"))
    chain = chained(shot, arrays, tmp_path / "made")
    for _ in chain._posed({2}):
        pass
    late = Watched(shot, arrays, tmp_path / "made")
    assert late._gas is not None
    assert late._gas.find(2) is not None
    assert late._shot.bodies == chain.shot.bodies
    assert not np.array_equal(_tracks(late._shot, late._arrays)[0][-1], resting[0][-1])


def _tracks(shot: s.Shot, arrays: ArraySet) -> list[np.ndarray]:
    return [arrays.of(body.poses) for body in shot.bodies[1:]]
