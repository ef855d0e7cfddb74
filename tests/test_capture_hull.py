"""What splats enclose, against the meshes that they lie on."""

import numpy as np
import pytest

from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.stages.captures import hull
from impetus.backend.stages.captures.own import own_splats
from impetus.kernels.mesh_distance import is_closed, mesh_volume

from . import capture_cases as cases
from . import shots


def volume_of(name: str, own: hull.OwnSplats) -> float:
    vertices, triangles = hull.hull_of(name, own)
    assert is_closed(triangles)
    return mesh_volume(vertices, triangles)


def euler(triangles: np.ndarray) -> int:
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return len(np.unique(triangles)) - len(np.unique(edges, axis=0)) + len(triangles)


@pytest.mark.parametrize(
    ("mesh", "number", "share"),
    [(shots.sphere(0.25, 4), 2, 0.01), (shots.cube(0.4), 2, 0.01), (cases.torus(), 0, 0.03)],
    ids=["ball", "cube", "ring"],
)
def test_the_hull_is_the_surface_that_the_splats_lie_on(
    mesh: cases.Mesh, number: int, share: float
) -> None:
    vertices, triangles = hull.hull_of("Thing", cases.own_of(cases.splats_on(mesh)))
    assert is_closed(triangles)
    assert mesh_volume(vertices, triangles) == pytest.approx(mesh_volume(*mesh), rel=share)
    assert euler(triangles) == number  # a ring keeps its hole


def test_a_capture_without_foot_is_filled_all_the_same() -> None:
    splats = cases.splats_on(shots.sphere(0.25, 4))
    own = cases.own_of(splats, kept=lambda mean: mean[:, 2] > -0.17)
    cap = np.pi * 0.08**2 * (3 * 0.25 - 0.08) / 3
    assert volume_of("Ball", own) == pytest.approx(4 / 3 * np.pi * 0.25**3 - cap, rel=0.02)


def test_noise_and_floaters_change_little() -> None:
    splats, rng = cases.splats_on(shots.sphere(0.25, 4)), np.random.default_rng(1)
    noisy = cases.BodySplats(**{**vars(splats),
        "mean": (splats.mean + rng.normal(0, 0.003, splats.mean.shape)).astype("f4")})  # fmt: skip
    noisy.mean[:200] = rng.uniform(-0.6, 0.6, (200, 3))
    assert volume_of("Ball", cases.own_of(noisy)) == pytest.approx(0.0653, rel=0.04)


def test_axes_that_cannot_be_right_are_shortened_and_take_no_part() -> None:
    splats = cases.splats_on(shots.sphere(0.25, 4))
    splats.axes[::50] *= 1e6
    own = cases.own_of(splats)
    assert own.shortened.sum() == 400
    assert np.linalg.norm(own.axes, axis=1).max() <= 0.2001 * 0.5
    assert volume_of("Ball", own) == pytest.approx(0.0653, rel=0.01)


def test_a_sheet_keeps_a_thickness() -> None:
    own = cases.own_of(cases.splats_on(shots.plane(1.0), 5000))
    vertices, triangles = hull.hull_of("Sheet", own)
    assert is_closed(triangles)
    assert 0.5 < mesh_volume(vertices, triangles) * hull.CELLS < 2.5


def test_density_does_not_depend_on_how_many_splats_hide_as_much() -> None:
    peaks = []
    for count in (2000, 8000, 32000):
        own = cases.own_of(cases.splats_on(shots.plane(1.0), count))
        shape = np.array([70, 70, 21])
        grid = hull.density_grid(own, np.array([-0.7, -0.7, -0.21]), 0.02, shape)
        sheet = grid[20:50, 20:50]
        assert sheet.sum(axis=2).std() < 0.2 * sheet.sum(axis=2).mean()  # no holes between
        peaks.append(sheet.sum(axis=2).mean())
    # 2 pi 0.85^2 of each spacing's square, times the dilogarithm of 0.99
    assert np.allclose(peaks, 2 * np.pi * 0.85**2 * 1.59, rtol=0.05)


def test_what_hides_nothing_is_no_body() -> None:
    splats = cases.splats_on(shots.cube(), 500)
    splats.opacity[:] = 0.004
    with pytest.raises(ShotError, match=r"Ghost, capture: expected splats that hide"):
        hull.hull_of("Ghost", cases.own_of(splats))


def test_points_take_their_size_from_their_neighbours() -> None:
    arrays = ArraySet()
    grid = np.stack(np.meshgrid(*[np.arange(8) * 0.1] * 3), -1).reshape(-1, 3).astype("f4")
    far = np.concatenate([grid, np.float32([[9, 9, 9]])])
    count = len(far)
    capture = s.Capture(arrays.add(far), arrays.add(np.full(count, 0.9, "f4")),
                        arrays.add(np.zeros((count, 1, 3), "f4")))  # fmt: skip
    own = own_splats(capture, arrays)
    assert np.allclose(own.axes[:-1], 0.06 * np.eye(3), atol=1e-6)
    # no larger than three of the middle one, nor than a fifth of all
    assert np.allclose(own.axes[-1], min(0.18, 0.2 * 0.7) * np.eye(3), atol=1e-3)
