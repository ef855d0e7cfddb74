"""What a simulation tells of itself: energies and momentum against mechanics, and its take."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.simulation_record import SimulationRecord, read_simulation
from impetus.backend.stages.bodies.prepare import prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.notes import record_of
from impetus.backend.stages.pipeline import Workspace, run
from impetus.backend.stages.simulate import simulate, simulate_key, track_digests
from tests import shots

SMALL = s.RenderSettings(splats=600)


class Deaf:
    def progress(self, *_: object) -> None: ...
    def frame(self, number: int) -> None: ...
    def log(self, level: str, text: str) -> None: ...
    def check(self) -> None: ...


def recorded(shot: s.Shot, arrays: ArraySet, folder: Path) -> SimulationRecord:
    prepared = prepare(shot, arrays)
    cache = FrameCache(folder / simulate_key(shot, arrays, prepared))
    list(simulate(shot, arrays, prepared, cache, Deaf()))
    assert prepared.domain is not None
    digests = track_digests(shot, arrays)
    return record_of(shot, arrays, cache, prepared.domain.spacing, digests)


def test_a_fall_turns_height_into_motion(tmp_path: Path) -> None:
    """A jelly and a rigid ball fall side by side, apart: m g h becomes m v^2 / 2."""
    arrays = ArraySet()
    bodies = [
        shots.body(arrays, "Jelly", shots.cube(0.4), poses=shots.place((-0.5, 0, 1.2))),
        shots.body(
            arrays, "Ball", shots.sphere(0.2), poses=shots.place((0.5, 0, 1.2)),
            material=materials.Rigid(),
        ),
    ]  # fmt: skip
    shot = shots.shot(arrays, bodies, frames=(1, 6), render=SMALL)
    record = recorded(shot, arrays, tmp_path)
    assert [each.frame for each in record.frames] == [1, 2, 3, 4, 5, 6]
    assert record.materials == ("elastic", "rigid")
    assert record.frames[0].substeps == 0
    assert all(each.substeps > 0 and each.seconds > 0 for each in record.frames[1:])
    time, steps = 5 / shot.frames.fps, record.frames[-1].substeps
    for n, (density, volume) in enumerate(((1000, 0.064), (2500, 4 / 3 * np.pi * 0.008))):
        first, last = record.frames[0].bodies[n], record.frames[-1].bodies[n]
        assert first.mass == pytest.approx(density * volume, rel=0.02)
        assert last.volume == pytest.approx(volume, rel=0.02)
        # velocities are told half a substep late
        late = 0.5 / steps / shot.frames.fps / time
        fallen = first.mass * (9.81 * time) ** 2 / 2
        assert last.kinetic == pytest.approx(fallen * (1 - 2 * late), rel=0.01)
        assert first.gravity - last.gravity == pytest.approx(fallen, rel=1e-3)
        assert last.momentum[2] == pytest.approx(-first.mass * 9.81 * time * (1 - late), rel=5e-3)
        assert last.elastic < 1e-3 * fallen


def test_the_record_reaches_the_take_and_is_told_again(tmp_path: Path) -> None:
    shot, arrays = shots.falling_cube(frames=(1, 3), render=SMALL)
    cache = tmp_path / "cache"
    run(shot, arrays, Workspace(cache, tmp_path / "first"), Deaf())
    first = read_simulation(tmp_path / "first")
    assert [each.frame for each in first.frames] == [1, 2, 3]
    assert (first.bodies, first.materials) == (("Cube", "Floor"), ("elastic", ""))
    assert first.particle_steps > 0
    # the same shot again is adopted, and a changed look keeps the simulation
    run(shot, arrays, Workspace(cache, tmp_path / "again"), Deaf())
    assert read_simulation(tmp_path / "again") == first
    bright = msgspec.structs.replace(shot, world=s.World(ground=s.Ground(), ambient=(1, 1, 1)))
    run(bright, arrays, Workspace(cache, tmp_path / "bright"), Deaf())
    assert read_simulation(tmp_path / "bright").frames == first.frames


def test_a_take_without_a_record_says_so(tmp_path: Path) -> None:
    with pytest.raises(ShotError, match=r"expected the folder of a take"):
        read_simulation(tmp_path)
    (tmp_path / "take.json").write_text("{}")
    with pytest.raises(ShotError, match="before such records were kept"):
        read_simulation(tmp_path)
    (tmp_path / "simulation.json").write_text('{"name": 1}')
    with pytest.raises(ShotError, match="expected the record of a simulation, got"):
        read_simulation(tmp_path)
