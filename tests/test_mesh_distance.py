"""Mesh distances against analytic shapes and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from impetus.kernels import mesh_distance as md

CUBE_VERTICES = np.array(
    [[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)], np.float32
)
CUBE_TRIANGLES = np.array(
    [
        [0, 1, 3],
        [0, 3, 2],
        [4, 6, 7],
        [4, 7, 5],
        [0, 4, 5],
        [0, 5, 1],
        [2, 3, 7],
        [2, 7, 6],
        [0, 2, 6],
        [0, 6, 4],
        [1, 5, 7],
        [1, 7, 3],
    ],
    np.int32,
)


def icosphere(levels: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A unit sphere by splitting an octahedron; all vertices lie on the sphere."""
    points = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
    vertices = [np.array(point, float) for point in points]
    for _ in range(levels):
        middle: dict[tuple[int, int], int] = {}

        def half(a: int, b: int, middle: dict[tuple[int, int], int] = middle) -> int:
            key = (min(a, b), max(a, b))
            if key not in middle:
                point = vertices[a] + vertices[b]
                vertices.append(point / np.linalg.norm(point))
                middle[key] = len(vertices) - 1
            return middle[key]

        split = []
        for a, b, c in faces:
            d, e, f = half(a, b), half(b, c), half(c, a)
            split += [(a, d, f), (d, b, e), (f, e, c), (d, e, f)]
        faces = split
    return np.array(vertices, np.float32), np.array(faces, np.int32)


def nodes(origin: float, spacing: float, count: int) -> NDArray[np.float64]:
    axis = origin + spacing * np.arange(count)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)


def cube_distance(points: NDArray[np.float64]) -> NDArray[np.float64]:
    away = np.abs(points) - 0.5
    outside = np.linalg.norm(np.maximum(away, 0), axis=-1)
    return outside + np.minimum(away.max(axis=-1), 0)


def grid_of(vertices: NDArray[np.float32], triangles: NDArray[np.int32]) -> NDArray[np.float32]:
    return md.signed_distance_grid(
        vertices, triangles, origin=(-1.3,) * 3, spacing=0.065, shape=(41,) * 3
    )


def test_cube_grid_matches_the_formula() -> None:
    expected = cube_distance(nodes(-1.3, 0.065, 41))
    found = grid_of(CUBE_VERTICES, CUBE_TRIANGLES)
    near = np.abs(expected) < 3 * 0.065
    np.testing.assert_allclose(found[near], expected[near], atol=2e-6)
    np.testing.assert_allclose(found, expected, rtol=0.011, atol=2e-6)


def test_sphere_grid_is_within_the_facets_sagitta() -> None:
    vertices, triangles = icosphere(4)
    expected = np.linalg.norm(nodes(-1.3, 0.065, 41), axis=-1) - 1
    edge = np.linalg.norm(vertices[triangles[:, 0]] - vertices[triangles[:, 1]], axis=1).max()
    found = grid_of(vertices, triangles)
    error = np.abs(found - expected)
    assert (error <= edge**2 / 6 + 0.011 * np.abs(expected)).all()
    assert ((found < 0) == (expected < 0))[np.abs(expected) > edge**2 / 6].all()


def test_inside_out_mesh_is_solid_too() -> None:
    flipped = grid_of(CUBE_VERTICES, CUBE_TRIANGLES[:, ::-1])
    expected = cube_distance(nodes(-1.3, 0.065, 41))
    np.testing.assert_allclose(flipped, expected, rtol=0.011, atol=2e-6)


def test_small_hole_does_not_turn_the_sign() -> None:
    vertices, triangles = icosphere(3)
    whole, holed = grid_of(vertices, triangles), grid_of(vertices, triangles[3:])
    far = np.abs(whole) > 0.2
    np.testing.assert_array_equal(whole[far] < 0, holed[far] < 0)


def test_open_sheet_with_thickness_is_a_slab() -> None:
    vertices = np.array([[-9, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    found = md.signed_distance_grid(
        vertices, triangles, origin=(0, 0, -0.5), spacing=0.1, shape=(3, 3, 11), thickness=0.3
    )
    expected = np.abs(np.linspace(-0.5, 0.5, 11)) - 0.15
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=0.02, atol=1e-6)


def test_no_triangles_are_far_from_everything() -> None:
    none = np.zeros((0, 3))
    found = grid_of(none.astype(np.float32), none.astype(np.int32))
    assert (found == md.FARTHEST).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 40))
def test_closest_point_equals_brute_force(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(count + 2, 3)).astype(np.float32)
    triangles = rng.integers(0, count + 2, (count, 3)).astype(np.int32)
    points = rng.normal(size=(30, 3)).astype(np.float32) * 2
    triangle, weights, distance = md.closest_point(points, vertices, triangles)
    corners = vertices[triangles].astype(float)
    steps = np.linspace(0, 1, 41)
    u, v = (axis.ravel() for axis in np.meshgrid(steps, steps))
    u, v = u[u + v <= 1], v[u + v <= 1]
    samples = np.einsum("sk,fkd->fsd", np.stack([1 - u - v, u, v], axis=1), corners)
    brute = np.linalg.norm(points[:, None, None] - samples[None], axis=-1).min(axis=(1, 2))
    at = np.einsum("pk,pkd->pd", weights, vertices[triangles[triangle]].astype(float))
    np.testing.assert_allclose(np.linalg.norm(at - points, axis=1), distance, atol=1e-5)
    assert (weights >= -1e-6).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert (distance <= brute + 1e-5).all()
    size = np.linalg.norm(corners - corners.mean(axis=1, keepdims=True), axis=-1).max()
    assert (distance >= brute - 2 * size / 40 - 1e-5).all()


def test_closest_point_wants_triangles() -> None:
    with pytest.raises(ValueError, match="triangles"):
        md.closest_point(np.zeros((1, 3), np.float32), CUBE_VERTICES, CUBE_TRIANGLES[:0])


def test_winding_number_is_one_inside_and_zero_outside() -> None:
    vertices, triangles = icosphere(4)
    points = np.random.default_rng(1).uniform(-1.5, 1.5, (5000, 3)).astype(np.float32)
    radius = np.linalg.norm(points, axis=1)
    found = md.winding_number(points, vertices, triangles)
    np.testing.assert_allclose(found[radius < 0.97], 1, atol=0.03)
    np.testing.assert_allclose(found[radius > 1.01], 0, atol=0.03)
    flipped = md.winding_number(points, vertices, triangles[:, ::-1])
    np.testing.assert_allclose(flipped, -found, atol=0.01)


def test_volume_of_cube_and_sphere() -> None:
    moved = CUBE_VERTICES + np.float32(100)
    assert md.mesh_volume(moved, CUBE_TRIANGLES) == pytest.approx(1, abs=1e-6)
    assert md.mesh_volume(CUBE_VERTICES, CUBE_TRIANGLES[:, ::-1]) == pytest.approx(-1)
    assert md.mesh_volume(*icosphere(5)) == pytest.approx(4 * np.pi / 3, rel=2e-3)


def test_closed_means_every_edge_twice() -> None:
    assert md.is_closed(CUBE_TRIANGLES)
    assert not md.is_closed(CUBE_TRIANGLES[1:])
    assert not md.is_closed(np.concatenate([CUBE_TRIANGLES, CUBE_TRIANGLES]))
    mixed = CUBE_TRIANGLES.copy()
    mixed[0] = mixed[0, ::-1]
    assert not md.is_closed(mixed)
    assert not md.is_closed(CUBE_TRIANGLES[:0])


def test_nodes_on_flat_sides_leave_their_neighbours_signs_right() -> None:
    """The winding number is a half there: a sign that rounding decides must not be passed on."""
    vertices = np.float32(0.2) * CUBE_VERTICES
    spacing = 0.2 / 40
    start = 3 * [-0.1 - 3 * spacing]
    distance = md.signed_distance_grid(
        vertices, CUBE_TRIANGLES, origin=start, spacing=spacing, shape=(47, 47, 47)
    )
    middle = np.abs(np.arange(47) - 23)
    depth = np.maximum(np.maximum(middle[:, None, None], middle[:, None]), middle) - 20
    assert (distance[depth < 0] < 0).all()
    assert (distance[depth > 0] > 0).all()


def test_moving_mesh_has_distances_of_the_moment_whatever_came_before() -> None:
    vertices, triangles = icosphere(2)
    grid = {"origin": (-1.3, -1.3, -1.3), "spacing": 0.1, "shape": (27, 27, 27)}
    moved = (vertices * np.float32([1.1, 0.8, 1.0])).astype(np.float32)
    still = np.zeros_like(vertices)
    one, other = (md.MovingMesh(vertices, triangles) for _ in range(2))
    other.sample(np.roll(vertices, 1, axis=1), still, **grid)  # type: ignore[arg-type]
    first, _ = one.sample(moved, still, **grid)  # type: ignore[arg-type]
    second, _ = other.sample(moved, still, **grid)  # type: ignore[arg-type]
    np.testing.assert_array_equal(first, second)
    plain = md.signed_distance_grid(moved, triangles, **grid)  # type: ignore[arg-type]
    np.testing.assert_allclose(first, plain, rtol=0.01)
    near = np.abs(plain) < 0.2
    np.testing.assert_allclose(first[near], plain[near], atol=1e-6)


def test_moving_mesh_tells_the_velocity_of_the_nearest_point() -> None:
    """A cube that grows along x: as fast at a place as it is far from the middle, 0 across."""
    grid = {"origin": (-0.75, -0.75, -0.75), "spacing": 0.125, "shape": (13, 13, 13)}
    velocity = CUBE_VERTICES * np.float32([2.0, 0, 0])
    mesh = md.MovingMesh(CUBE_VERTICES, CUBE_TRIANGLES)
    _, found = mesh.sample(CUBE_VERTICES, velocity, **grid)  # type: ignore[arg-type]
    outside = nodes(-0.75, 0.125, 13)
    outside = outside[(np.abs(outside) > 0.5).any(axis=-1)]
    expected = 2.0 * np.clip(outside[:, 0], -0.5, 0.5)
    at = np.rint((outside + 0.75) / 0.125).astype(int)
    np.testing.assert_allclose(found[tuple(at.T)][:, 0], expected, atol=1e-5)
    assert np.abs(found[..., 1:]).max() == 0
