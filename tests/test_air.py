"""A shot's gas from emitters to files: grid, obstacles, emission, cache, resumption, pictures."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import shot as s
from impetus.backend.contract.air import Gas
from impetus.backend.contract.air_check import object_names
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.forces import Wind, Window
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.contract.take_files import frame_path
from impetus.backend.stages.air.gas import GasFrame, GasRun, gas_key
from impetus.backend.stages.air.room import Room, fluid_domain
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.pipeline import Workspace, run
from impetus.backend.stages.takes.exr import read_frame

from . import shots
from .air_cases import SMALL, Quiet, emitter, smoking


def frames_of(shot: s.Shot, arrays: ArraySet, folder: Path, numbers: range) -> list[GasFrame]:
    domain = fluid_domain(shot, arrays)
    cache = FrameCache(folder / gas_key(shot, domain))
    gas = GasRun(shot, arrays, domain, cache, Quiet())
    return [gas.at(n) for n in numbers]


def same(a: GasFrame, b: GasFrame) -> bool:
    fields = ("smoke", "heat", "color", "velocity")
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in fields)


def test_the_room_is_round_the_emitters_and_above_them() -> None:
    shot, arrays = smoking(gas=Gas(resolution=20))
    domain = fluid_domain(shot, arrays)
    low = np.array(domain.origin)
    high = low + domain.spacing * np.array(domain.shape)
    assert max(domain.shape) == 20
    assert low[2] == 0  # on the ground, which closes it
    assert not domain.open_low[2]
    assert high[2] > 1.5
    assert (low[:2] < -0.5).all()


def test_obstacles_take_their_cells_and_thin_ones_leave_no_gap() -> None:
    shot, arrays = smoking()
    plate = shots.cube(1.0)[0] * np.float32([1, 1, 0.02])
    thin = shots.body(arrays, "Plate", (plate, shots.cube()[1]), role="static",
                      poses=shots.place((0, 0, 0.55)), thickness=0.0)  # fmt: skip
    shot = shots.changed(shot, bodies=(*shot.bodies[1:], thin))
    room = Room(shot, arrays, fluid_domain(shot, arrays))
    solid = room.solid_at_start()
    assert solid[4:8, 4:8, 7:9].sum() >= 8  # the lid: 0.3 m at 0.8 m, cells of 0.1 m
    assert solid[2:10, 2:10].any(axis=2).all()
    assert solid.mean() < 0.12


def test_a_moving_obstacle_gives_its_velocity() -> None:
    shot, arrays = smoking(frames=(1, 3))
    way = np.stack([shots.place((0.1 * k - 0.1, 0, 0.6)) for k in range(3)])
    ball = shots.body(arrays, "Ball", shots.sphere(0.2, 2), role="kinematic", poses=way)
    shot = shots.changed(shot, bodies=(ball,))
    room = Room(shot, arrays, fluid_domain(shot, arrays))
    assert room.moves
    solid, velocity = room.obstacles(1, 0.5)
    at = np.argwhere(solid).mean(axis=0)
    np.testing.assert_allclose((at + 0.5) * 0.1 - [0.6, 0.6, 0], [-0.05, 0, 0.6], atol=0.03)
    moving = velocity[..., 0][velocity[..., 0] != 0]
    np.testing.assert_allclose(moving, 0.1 * 24, rtol=1e-5)


def test_an_emitter_emits_in_its_window_what_its_tracks_say() -> None:
    arrays = ArraySet()
    tracks = {"smoke": arrays.add(np.array([10.0, 20, 30, 40])), "window": Window(2.0, 3.5)}
    moving = np.stack([shots.place((0.1 * k, 0, 0.3)) for k in range(4)])
    source = emitter(arrays, poses=moving, velocity=(0, 0, 1.0), inheritance=0.5, **tracks)
    shot = shots.shot(arrays, [], frames=(1, 4), emitters=(source,), gas=SMALL)
    check_shot(shot, arrays)
    room = Room(shot, arrays, fluid_domain(shot, arrays))
    assert room.emissions(1) == []
    (full,), (half,) = room.emissions(2), room.emissions(3)
    assert full.smoke == 25
    assert half.rate == full.rate / 2
    np.testing.assert_allclose(full.velocity, (0.5 * 0.1 * 24, 0, 1), rtol=1e-6)
    cells = np.argwhere(full.cover > 0.5) * 0.1 + 0.05 - [0.6, 0.6, 0]
    np.testing.assert_allclose(cells.mean(axis=0), [0.15, 0, 0.3], atol=0.03)


def test_smoke_rises_past_an_obstacle_and_repeats_to_the_bit(tmp_path: Path) -> None:
    shot, arrays = smoking(frames=(1, 5))
    once = frames_of(shot, arrays, tmp_path / "a", range(1, 6))
    again = frames_of(shot, arrays, tmp_path / "b", range(1, 6))
    assert all(same(a, b) for a, b in zip(once, again, strict=True))
    assert once[0].smoke.sum() == 0
    assert once[-1].smoke.sum() > once[1].smoke.sum() > 0
    assert once[-1].velocity[..., 2].max() > 0.05


def test_a_gas_that_was_stopped_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    shot, arrays = smoking(frames=(1, 5), source={"fuel": 0.8, "color": (0.9, 0.4, 0.2)})
    whole = frames_of(shot, arrays, tmp_path / "a", range(1, 6))
    frames_of(shot, arrays, tmp_path / "b", range(1, 4))
    resumed = frames_of(shot, arrays, tmp_path / "b", range(1, 6))
    assert all(same(a, b) for a, b in zip(whole, resumed, strict=True))
    assert whole[-1].color.shape == (*whole[-1].smoke.shape, 3)
    # looks, camera and the range are not in the key; what emits is
    domain = fluid_domain(shot, arrays)
    looks = msgspec.structs.replace(SMALL.looks, flame_brightness=1.0)
    other = shots.changed(shot, gas=msgspec.structs.replace(SMALL, looks=looks))
    assert gas_key(other, domain) == gas_key(shot, domain)
    hotter = msgspec.structs.replace(shot.emitters[0], temperature=90.0)
    assert gas_key(shots.changed(shot, emitters=(hotter,)), domain) != gas_key(shot, domain)


def test_a_change_late_in_a_track_keeps_the_frames_before_it(tmp_path: Path) -> None:
    shot, arrays = smoking(frames=(1, 5))
    kept = frames_of(shot, arrays, tmp_path, range(1, 6))
    gravity = np.tile([0, 0, -9.81], (5, 1))
    gravity[4] = 0
    bent = shots.changed(shot, gravity=arrays.add(gravity))
    changed = frames_of(bent, arrays, tmp_path, range(1, 6))
    assert all(same(a, b) for a, b in zip(kept[:4], changed[:4], strict=True))
    assert not same(kept[4], changed[4])


def test_wind_blows_the_smoke_away(tmp_path: Path) -> None:
    shot, arrays = smoking(frames=(1, 4))
    east = shots.place(rotation=np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]]))
    wind = Wind("Wind", arrays.add(east[None]), arrays.add(np.array([4.0])))
    blown = frames_of(shots.changed(shot, forces=(wind,), bodies=()), arrays, tmp_path, range(1, 5))
    # 4 m/s^2 for three frames, in air that may leave
    assert np.median(blown[-1].velocity[..., 0]) == pytest.approx(4 * 3 / 24, rel=0.1)


def test_smoke_is_in_the_take(tmp_path: Path) -> None:
    shot, arrays = smoking(frames=(1, 3), source={"smoke": 60.0, "rate": 60.0})
    for name in ("cache", "take"):
        (tmp_path / name).mkdir()
    ear = Quiet()
    run(shot, arrays, Workspace(tmp_path / "cache", tmp_path / "take"), ear)
    assert max(ear.told) == 2
    first, last = (read_frame(frame_path(tmp_path / "take", "passes", n), n) for n in (1, 3))
    index = object_names(shot).index("~smoke")
    assert not (first.index == index).any()
    assert (last.index == index).sum() > 10
    seen = (last.index == index) & last.valid_backward
    assert np.isfinite(last.depth[last.index == index]).all()
    assert seen.any()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"fuel": 1.5}, "fuel: expected 0 to 1, got 1.5"),
        ({"window": Window(3.0, 2.0)}, "emit until after its start"),
        ({"poses": np.diag([2.0, 2, 2, 1])}, "without scale"),
        ({"mesh": (np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int32))}, "mesh with faces"),
    ],
)
def test_what_cannot_emit_is_named(fields: dict[str, object], sentence: str) -> None:
    shot, arrays = smoking(source=fields)
    with pytest.raises(ShotError, match=sentence):
        check_shot(shot, arrays)


def test_an_emitter_far_outside_and_too_fine_a_grid_are_refused() -> None:
    shot, arrays = smoking(source={"poses": shots.place((5, 0, 0))})
    with pytest.raises(ShotError, match="Torch: expected it in the smoke's domain"):
        fluid_domain(shot, arrays)


def test_an_emitter_inside_of_something_is_told(tmp_path: Path) -> None:
    shot, arrays = smoking(frames=(1, 2), source={"poses": shots.place((0, 0, 0.8))})
    block = shots.body(
        arrays, "Block", shots.cube(0.7), role="static", poses=shots.place((0, 0, 0.8))
    )
    ear, domain = Quiet(), fluid_domain(shot, arrays)
    shot = shots.changed(shot, bodies=(block,))
    gas = GasRun(shot, arrays, domain, FrameCache(tmp_path / "kept"), ear)
    assert gas.at(2).smoke.sum() == 0
    assert "Torch: all of it is inside of other objects" in ear.said[0]
