"""Thinned looks at particles: what is kept of them, what they cost, and that they reach a take."""

from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import MessageError
from impetus.backend.contract.points import (
    MOST_POINTS,
    Points,
    decode_points,
    encode_points,
    pack_points,
    unpack_points,
)
from impetus.backend.contract.take_files import frame_path, is_whole
from impetus.backend.stages.pipeline import Workspace, run
from tests import shots

from .test_notes import Deaf

SMALL = s.RenderSettings(splats=600)


def some(count: int) -> Points:
    rng = np.random.default_rng(1)
    place = rng.uniform(-3, 5, (count, 3)).astype(np.float32)
    return Points(place, *rng.random((3, count)).astype(np.float32))


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_points_come_back_to_a_ten_thousandth_of_their_bounds(count: int) -> None:
    points = some(count)
    back = decode_points(encode_points(pack_points(points)))
    np.testing.assert_allclose(back.position, points.position, atol=8 / 65535)
    for name in ("speed", "strain", "damage"):
        np.testing.assert_allclose(getattr(back, name), getattr(points, name), rtol=1e-3)


def test_a_frame_takes_twelve_bytes_a_point() -> None:
    data = encode_points(pack_points(some(MOST_POINTS)))
    assert len(data) < 12 * MOST_POINTS + 2000


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", b"x" * 500])
def test_what_is_no_points_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError, match="Expected the points of a frame"):
        decode_points(data)


def test_points_of_the_wrong_shapes_are_refused() -> None:
    kept = pack_points(some(4))
    with pytest.raises(MessageError, match="no 'point_box'"):
        unpack_points({name: kept[name] for name in kept if name != "point_box"})
    with pytest.raises(MessageError, match="shapes"):
        unpack_points(kept | {"point_value": kept["point_value"][:2]})


def test_points_of_every_frame_come_before_its_picture(tmp_path: Path) -> None:
    """Jelly falls at g t; the rigid ball's points turn and lie on its surface."""
    arrays = ArraySet()
    bodies = [
        shots.body(arrays, "Jelly", shots.cube(0.4), poses=shots.place((-0.5, 0, 1.2))),
        shots.body(
            arrays, "Ball", shots.sphere(0.2), poses=shots.place((0.5, 0, 1.2)),
            material=materials.Rigid(), angular_velocity=(0.0, 0.0, 5.0),
        ),
    ]  # fmt: skip
    shot = shots.shot(arrays, bodies, frames=(1, 4), render=SMALL)
    take, order = tmp_path / "take", []

    class Ear(Deaf):
        def frame(self, number: int) -> None:
            order.append(("frame", number))

    def seen(number: int) -> None:
        assert frame_path(take, "points", number).is_file()
        order.append(("points", number))

    run(shot, arrays, Workspace(tmp_path / "cache", take), Ear(), on_points=seen)
    assert [number for kind, number in order if kind == "points"] == [1, 2, 3, 4]
    assert all(order.index(("points", n)) < order.index(("frame", n)) for n in (1, 2, 3, 4))
    points = decode_points(frame_path(take, "points", 4).read_bytes())
    jelly = points.position[:, 0] < 0
    assert points.speed[jelly] == pytest.approx(9.81 * 3 / 24, rel=0.05)
    assert points.strain[jelly].max() < 0.05
    assert not points.damage.any()
    fallen = 9.81 * (3 / 24) ** 2 / 2
    away = np.linalg.norm(points.position[~jelly] - (0.5, 0, 1.2 - fallen), axis=1)
    assert away == pytest.approx(0.2, rel=0.03)
    spin = 5.0 * np.linalg.norm(points.position[~jelly, :2] - (0.5, 0), axis=1)
    expected = np.hypot(9.81 * 3 / 24, spin)
    np.testing.assert_allclose(points.speed[~jelly], expected, rtol=0.05)
    # without a listener a take has none, and a frame is whole without
    run(shot, arrays, Workspace(tmp_path / "other", tmp_path / "plain"), Deaf())
    assert not (tmp_path / "plain" / "points").exists()
    assert is_whole(tmp_path / "plain", 4)
