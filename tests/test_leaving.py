"""Matter at an open side of the domain: that grows, what leaves is hidden, or the job stops."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import CancelledError, MemoryShortError, SimulationError
from impetus.backend.stages import leaving
from impetus.backend.stages.bodies.prepare import prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.images.render import lit_rows, scene_of
from impetus.backend.stages.notes import record_of
from impetus.backend.stages.simulate import SimulatedFrame, simulate_key, track_digests
from impetus.backend.stages.splats import pose_splats
from impetus.kernels.mesh_distance import signed_distance_grid
from impetus.kernels.mpm.colliders import Collider, Plane
from impetus.kernels.mpm.growth import Growth, moved_out, no_growth
from impetus.kernels.mpm.solver import Domain
from impetus.kernels.mpm.state import Layout
from tests import shots

from .mpm_cases import CELL, JELLY, Array, Lump, make_solver, push, run
from .test_deforming import brick, placed
from .test_simulate import Ear, frames_of, same

SMALL = s.RenderSettings(splats=600)
THROWN = Lump((0.6875, 0.6875, 0.6875), (0.8125, 0.8125, 0.8125), JELLY, (-3.0, 2.0, 1.0))
TIGHT: dict[str, Any] = {"shape": (16, 16, 16), "origin": (0.5, 0.5, 0.5), "walls": "open"}
WIDE: dict[str, Any] = {"shape": (80, 80, 80), "origin": (-0.5, -0.5, -0.5), "walls": "open"}
FAR = 64
MANY = 10**8


def test_sides_move_in_pairs_of_blocks_within_their_limits() -> None:
    first, growth = Layout((0.0, 0.0, 0.0), 1.0, (64, 20, 20)), Growth(45, MANY)
    room = np.full((2, 3), np.inf)
    room[1, 0] = 3.9
    sides, widths = no_growth(), []
    for _ in range(5):
        sides = moved_out(first, sides, room, growth)
        widths.append(int(sides[1, 0]))
    assert widths == [16, 32, 40, 40, 40]  # a quarter of 64, of 80, and no more than 45
    assert sides.sum() == 40
    eight = first.larger(np.array([[0, 0, 0], [8, 0, 0]]))
    sides = moved_out(first, no_growth(), room, Growth(45, eight.node_count))
    assert sides[1, 0] == 8
    assert not moved_out(first, no_growth(), room, Growth(45, first.node_count)).any()
    assert (eight.nodes[0] - first.nodes[0], eight.origin) == (8, (0.0, 0.0, 0.0))
    below = first.larger(np.array([[8, 0, 16], [0, 0, 0]]))
    assert (below.cells, below.origin) == ((72, 20, 36), (-8.0, 0.0, -16.0))
    at = np.array([[1.25, 2.0, 3.75], [-7.5, 1.0, -12.0]], np.float32)
    np.testing.assert_array_equal(below.join(*below.split(at)), at)


def test_a_flight_through_the_side_has_the_bits_of_one_in_a_large_domain() -> None:
    splats = {"tracers": THROWN.positions()[::3] + 0.2 * CELL, "round_tracers": True}
    grows = [make_solver([THROWN], growth=Growth(FAR, MANY), **splats, **TIGHT) for _ in range(2)]
    large = make_solver([THROWN], **splats, **WIDE)
    run(large, 8, push())
    run(grows[0], 5, push())
    saved = grows[0].checkpoint()
    run(grows[0], 3, push())
    for name in ("position", "velocity", "deformation", "tracer_position", "tracer_deformation"):
        found, expected = getattr(grows[0], name)(), getattr(large, name)()
        np.testing.assert_array_equal(found, expected, err_msg=name)
    assert grows[0].position()[:, 0].max() < 0.0  # half a metre beyond the first side
    assert not grows[0].gone().any()
    assert not grows[0].tracer_gone().any()
    assert saved["sides"].any()
    grows[1].restore(saved)
    assert grows[1].domain != Domain(TIGHT["origin"], CELL, TIGHT["shape"], "open")
    run(grows[1], 3, push())
    other = grows[1].checkpoint()
    for name, value in grows[0].checkpoint().items():
        assert value.tobytes() == other[name].tobytes(), name


def test_a_domain_that_may_grow_no_more_lets_go_and_each_step_is_asked_for() -> None:
    asked: list[Domain] = []
    solver = make_solver(
        [THROWN], tracers=THROWN.positions(), growth=Growth(8, MANY, asked.append), **TIGHT
    )
    run(solver, 8, push())
    assert asked[-1] == solver.domain
    assert solver.domain.origin[0] == 0.5 - 8 * CELL
    assert solver.left().tolist() == [len(THROWN.positions())]
    assert solver.gone().all()
    assert solver.tracer_gone().all()
    assert solver.totals().count == 0

    def refuse(domain: Domain) -> None:
        raise MemoryError(domain)

    with pytest.raises(MemoryError):
        run(make_solver([THROWN], growth=Growth(FAR, MANY, refuse), **TIGHT), 8, push())


def test_a_fast_collider_holds_what_flies_out_to_it() -> None:
    """A thin plate comes at 2.6 cells in a step of the lump's, and meets it in what has grown."""
    speed, end, half = 80.0, 1.2, np.array([0.1 * CELL, 0.08, 0.08])
    low = -np.ceil(4 * (half / CELL + 2)) * CELL / 4
    count = np.round(-8 * low / CELL).astype(int) + 1
    shape = (int(count[0]), int(count[1]), int(count[2]))
    thin = signed_distance_grid(*brick(tuple(half)), origin=low, spacing=CELL / 4, shape=shape)
    plate = Collider(thin, (low[0], low[1], low[2]), CELL / 4, "separate", 0.0)
    flies = Lump(THROWN.low, THROWN.high, JELLY, (12.0, 0.0, 0.0))
    ways = placed(end + speed / 24, 0.75, 0.75), placed(end, 0.75, 0.75)
    found = []
    for options in ({"growth": Growth(FAR, MANY), **TIGHT}, WIDE):
        solver = make_solver([flies], colliders=[plate], **options)
        done = solver.advance(1 / 24, push((0, 0, 0), poses=ways))
        assert done.smallest_step < 0.51 * CELL / speed
        found.append((solver.position()[:, 0], solver.velocity()[:, 0].mean()))
    assert solver.position()[:, 0].max() < end
    np.testing.assert_allclose(found[0][0], found[1][0], atol=0.1 * CELL)
    assert found[0][1] == pytest.approx(found[1][1], rel=0.02)


def test_walls_and_the_ground_hold_and_do_not_move() -> None:
    """What strikes the ground at the bottom of an open domain stays in it."""
    strikes = Lump((0.4, 0.4, 0.125), (0.525, 0.525, 0.25), JELLY, (0.0, 0.0, -6.0))
    ground = Plane(0.0, "separate", 0.4)
    solver = make_solver([strikes], ground=ground, walls="open", growth=Growth(FAR, MANY))
    run(solver, 2, push())
    assert not solver.gone().any()
    assert solver.position()[:, 2].min() >= -1e-6
    assert solver.domain.shape == (32, 32, 32)
    flies = Lump((0.4, 0.4, 0.4), (0.525, 0.525, 0.525), JELLY, (9.0, 0.0, 0.0))
    solver = make_solver([flies], walls="slip", growth=Growth(FAR, MANY))
    run(solver, 2, push())
    assert solver.domain.shape == (32, 32, 32)


def flung(choice: str) -> tuple[s.Shot, ArraySet]:
    """Jelly flies out at one side, water at another; sand stays."""
    shot, arrays = shots.three_materials(frames=(1, 5), render=SMALL)
    jelly, sand, water, *others = shot.bodies
    jelly = msgspec.structs.replace(jelly, velocity=(0.0, -9.0, 0.0))
    water = msgspec.structs.replace(water, velocity=(0.0, 9.0, 0.0))
    settings = msgspec.structs.replace(shot.simulation, walls="open", leaving=choice)
    return shots.changed(shot, bodies=(jelly, sand, water, *others), simulation=settings), arrays


def parts(shot: s.Shot, arrays: ArraySet, values: Array) -> list[Array]:
    """Split what all splats that move have, (m, ...), by the bodies jelly, sand, water."""
    body = prepare(shot, arrays).tracers.body
    return [values[body == number] for number in range(3)]


@dataclass(frozen=True)
class Made:
    """A shot that is simulated."""

    shot: s.Shot
    arrays: ArraySet
    folder: Path
    frames: list[SimulatedFrame]
    said: list[str]


@pytest.fixture(scope="module")
def clipped(tmp_path_factory: pytest.TempPathFactory) -> Made:
    (shot, arrays), folder, ear = flung("clip"), tmp_path_factory.mktemp("clipped"), Ear()
    return Made(shot, arrays, folder, list(frames_of(shot, arrays, folder, ear)), ear.said)


def test_what_leaves_is_hidden_and_told_once(clipped: Made) -> None:
    shot, arrays, frames = clipped.shot, clipped.arrays, clipped.frames
    assert frames[0].gone is None
    seen = [0 if frame.gone is None else int(frame.gone.sum()) for frame in frames]
    assert seen == sorted(seen)
    last = frames[-1]
    assert last.gone is not None
    jelly, sand, water = parts(shot, arrays, last.gone)
    assert jelly.all()
    assert water.mean() > 0.98
    assert not sand.any()
    assert all(np.isfinite(frame.mean).all() for frame in frames)
    assert sum("left the domain from frame 4 on" in text for text in clipped.said) == 1
    assert "particles of Jelly" in clipped.said[-1]
    assert "Leaving" in clipped.said[-1]
    again = Ear()  # from the cache the same is seen, and said
    assert same(frames, list(frames_of(shot, arrays, clipped.folder, again)))
    assert again.said == [clipped.said[-1]]


def test_the_rest_goes_on_and_only_it_is_counted(clipped: Made, tmp_path: Path) -> None:
    shot, arrays, ear = clipped.shot, clipped.arrays, Ear()
    flown = list(frames_of(*flung("grow"), tmp_path, ear))
    assert all(frame.gone is None for frame in flown)
    assert flown[-1].domain is not None
    assert any("has grown to" in text for text in ear.said)
    here, there = (parts(shot, arrays, f[-1].mean)[1] for f in (clipped.frames, flown))
    assert np.abs(here - there).mean() < 1e-3
    prepared = prepare(shot, arrays)
    cache = FrameCache(clipped.folder / simulate_key(shot, arrays, prepared))
    assert prepared.domain is not None
    digests = track_digests(shot, arrays)
    record = record_of(shot, arrays, cache, prepared.domain.spacing, digests)
    masses = [{each.body: each.mass for each in frame.bodies} for frame in record.frames]
    assert masses[-1][1] == masses[0][1]
    assert 0 not in masses[-1]
    assert masses[-1].get(2, 0.0) < 0.02 * masses[0][2]
    assert record.frames[-1].left == record.frames[0].particles - record.frames[-1].particles
    note = cache.find_note(5)
    assert note is not None
    assert len(note["point_place"]) == record.frames[-1].particles


def test_splats_that_are_gone_are_not_drawn(clipped: Made) -> None:
    shot, arrays, last = clipped.shot, clipped.arrays, clipped.frames[-1]
    prepared = prepare(shot, arrays)
    posed = pose_splats(shot, arrays, prepared, last)
    rows = lit_rows(scene_of(shot, arrays, prepared), 5, posed, (None, None), Ear())
    assert last.gone is not None
    hidden = np.zeros(len(rows.opacity), bool)
    hidden[prepared.tracer_splat[last.gone]] = True
    assert (rows.opacity[hidden] == 0).all()
    assert (rows.opacity[~hidden] > 0).all()


def test_a_job_that_is_to_stop_names_body_frame_and_remedy(tmp_path: Path) -> None:
    words = r"(Jelly|Water), frame [34]: expected it inside .*but [\d,]+ of its particles left"
    with pytest.raises(SimulationError, match=words) as caught:
        list(frames_of(*flung("stop"), tmp_path))
    assert "set Leaving to Grow or Clip" in caught.value.remedy
    kept = len(list(tmp_path.glob("*/frame_*")))
    assert 2 <= kept <= 3  # frames before stay


def over_the_edge() -> tuple[s.Shot, ArraySet]:
    """A cube is thrown out of a domain of 1 m, over a floor that reaches farther."""
    arrays = ArraySet()
    bodies = [
        shots.body(
            arrays, "Cube", shots.cube(0.3), poses=shots.place((-0.7, 0, 0.6)),
            velocity=(4.0, 0.0, 0.0),
        ),
        shots.body(arrays, "Floor", shots.plane(4.0), role="static"),
    ]  # fmt: skip
    box = s.Box((-1, -0.5, 0), (0, 0.5, 1))
    settings = s.SimulationSettings(12, domain=box, walls="open", leaving="grow")
    shot = shots.shot(
        arrays, bodies, frames=(1, 12), render=SMALL, simulation=settings, world=s.World()
    )
    return shot, arrays


def middle(frame: SimulatedFrame) -> Array:
    return np.asarray((frame.mean.min(axis=0) + frame.mean.max(axis=0)) / 2)


def test_a_cube_lands_on_the_floor_outside_of_its_first_domain(tmp_path: Path) -> None:
    shot, arrays = over_the_edge()
    ear = Ear()
    whole = list(frames_of(shot, arrays, tmp_path / "whole", ear))
    time = 6 / 24
    expected = (-0.7 + 4.0 * time, 0.0, 0.6 - 9.81 / 2 * time**2)
    np.testing.assert_allclose(middle(whole[6]), expected, atol=2e-3)
    assert middle(whole[6])[0] > 0.25  # its whole width beyond the side
    assert middle(whole[-1])[0] > 0.6
    for frame in whole:
        assert frame.mean[:, 2].min() > -0.5 / 12
        assert frame.gone is None
    assert middle(whole[-1])[2] < 0.4
    assert whole[-1].domain is not None
    assert whole[-1].domain[1, 0] > 0.6
    assert any("the domain has grown to" in text for text in ear.said)
    with pytest.raises(CancelledError):
        list(frames_of(shot, arrays, tmp_path / "cut", Ear(0.7 * ear.checks)))
    made = sorted((tmp_path / "cut").glob("*/frame_*"))
    assert 5 < len(made) < 12
    assert same(whole, list(frames_of(shot, arrays, tmp_path / "cut")))


def test_growth_needs_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "FREE_SHARE", 1e-9)
    with pytest.raises(MemoryShortError, match=r"Frame \d+: expected room for the domain to grow"):
        list(frames_of(*over_the_edge(), tmp_path))


def test_growth_that_ends_clips_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "growth_cells", lambda shot, domain: 8)
    ear = Ear()
    *_, last = frames_of(*over_the_edge(), tmp_path, ear)
    assert last.gone is not None
    assert any("has grown as far as it may" in text for text in ear.said)
