import numpy as np
import pytest
from scipy.spatial import cKDTree

from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.stages.bodies.creases import creases_of, trimmed
from impetus.backend.stages.bodies.sampling import (
    is_inside,
    lattice_inside,
    surface_samples,
    volume_samples,
)
from impetus.backend.stages.bodies.shape import Shape, shape_of, solidify
from impetus.backend.stages.bodies.textures import look_up, srgb_to_linear, surface_colors
from impetus.kernels.mesh_distance import is_closed, mesh_volume
from tests import shots

MESHES = {"cube": shots.cube(0.4), "sphere": shots.sphere(0.25, 4)}


def shape(mesh: tuple[Array, Array], role: str = "dynamic") -> Shape:
    arrays = ArraySet()
    return shape_of(shots.body(arrays, "Body", mesh, role=role), arrays)


def whole(body: Shape) -> np.ndarray:
    return np.ones(len(body.triangles), bool)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("name", MESHES)
def test_lattice_fills_the_volume(name: str) -> None:
    body = shape(MESHES[name])
    cell = 0.0125
    points, filled = lattice_inside(body, cell, 0.0, rng())
    # the error of counting cells at the surface: about sqrt(surface cells) of them
    surface_cells = body.area / cell**2
    assert filled == pytest.approx(cell**3)
    assert abs(len(points) - body.volume / filled) < 4 * np.sqrt(surface_cells)
    reach = np.abs(points).max() if name == "cube" else np.linalg.norm(points, axis=1).max()
    assert reach <= (0.2 if name == "cube" else 0.25)


def test_open_sheet_is_as_thick_as_asked() -> None:
    points, filled = lattice_inside(shape(shots.plane(1.0)), 0.02, 0.1, rng())
    assert 0.045 < np.abs(points[:, 2]).max() <= 0.05
    inner = (np.abs(points[:, :2]) < 0.4).all(axis=1)
    assert inner.sum() * filled == pytest.approx(0.8**2 * 0.1, rel=0.02)
    above = np.array([[0, 0, 0.049], [0, 0, 0.051]], np.float32)
    assert is_inside(shape(shots.plane(1.0)), above, 0.1).tolist() == [True, False]


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("count", [200, 3000])
def test_surface_samples_are_blue_noise(name: str, count: int) -> None:
    body = shape(MESHES[name])
    samples = surface_samples(body, whole(body), count, rng())
    nearest = cKDTree(samples.position).query(samples.position, k=2)[0][:, 1] / samples.spacing
    assert len(samples.position) == count
    # white noise: minimum near 0, mean 0.5; the densest packing: 1.07
    assert nearest.min() > 0.45
    assert nearest.mean() > 0.72
    assert samples.cover.max() < 1.25 * samples.spacing


def test_surface_samples_lie_where_they_say() -> None:
    body = shape(MESHES["sphere"])
    samples = surface_samples(body, whole(body), 500, rng())
    corners = body.vertices[body.triangles[samples.triangle]]
    assert np.allclose(np.einsum("nk,nkd->nd", samples.barycentric, corners), samples.position)
    assert (samples.barycentric >= 0).all()
    assert np.einsum("nd,nd->n", samples.normal, samples.position).min() > 0.2


def test_surface_samples_share_by_area() -> None:
    vertices, triangles = shots.cube(1.0)
    body = shape((vertices * np.float32([1, 1, 3]), triangles))
    samples = surface_samples(body, whole(body), 4000, rng())
    caps = np.abs(samples.normal[:, 2]) > 0.5
    assert caps.mean() == pytest.approx(2 / 14, rel=0.15)


def test_both_sides_of_a_thin_sheet_are_covered() -> None:
    vertices, triangles = shots.cube(1.0)
    body = shape((vertices * np.float32([1, 1, 0.01]), triangles))
    samples = surface_samples(body, whole(body), 2000, rng())
    top = samples.position[samples.normal[:, 2] > 0.5, :2]
    grid = np.stack(np.meshgrid(*[np.linspace(-0.45, 0.45, 60)] * 2), -1).reshape(-1, 2)
    # 0.81 where each side is spread on its own, 0.91 where they share one spread
    assert np.percentile(cKDTree(top).query(grid)[0], 99) < 0.86 * samples.spacing


def test_volume_samples_are_blue_noise() -> None:
    body = shape(MESHES["sphere"])
    points = volume_samples(body, 3000, 0.0, rng())
    spacing = (body.volume / 3000) ** (1 / 3)
    nearest = cKDTree(points).query(points, k=2)[0][:, 1] / spacing
    assert len(points) == 3000
    assert nearest.min() > 0.6
    assert nearest.mean() > 0.8


def test_same_seed_same_points() -> None:
    body = shape(MESHES["cube"])
    first, second = (surface_samples(body, whole(body), 300, rng()).position for _ in range(2))
    other = surface_samples(body, whole(body), 300, np.random.default_rng(8)).position
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_creases_of_a_cube_are_its_edges() -> None:
    creases = creases_of(shape(MESHES["cube"]), 0.1)
    on_edge = np.isclose(np.abs(creases.position), 0.2).sum(axis=1)
    assert (on_edge >= 2).all()
    assert len(creases_of(shape(MESHES["sphere"]), 0.1).position) == 0


def test_trimmed_discs_end_at_the_edge() -> None:
    axes = np.tile(np.diag([0.1, 0.1, 0.001]), (2, 1, 1))
    towards = np.array([[[0.08, 0.0, 0.0]], [[0.08, 0.0, 0.0]]])
    both = trimmed(axes, towards, np.array([[True], [False]]))
    assert np.linalg.norm(both[0], axis=1) == pytest.approx([0.05, 0.1, 0.001])
    assert np.array_equal(both[1], axes[1])


def test_solidified_sheet_is_closed_and_keeps_its_front() -> None:
    solid = solidify(shape(shots.plane(2.0), "static"), 0.1)
    assert solid is not None
    vertices, triangles = solid
    assert is_closed(triangles)
    assert mesh_volume(vertices, triangles) == pytest.approx(0.4, rel=1e-5)
    assert vertices[:, 2].max() == 0.0


def test_inside_out_mesh_is_turned() -> None:
    vertices, triangles = shots.cube(1.0)
    body = shape((vertices, triangles[:, ::-1].copy()))
    assert body.turned
    assert body.volume == pytest.approx(1.0)
    centres = body.vertices[body.triangles].mean(axis=1)
    assert (np.einsum("nd,nd->n", centres, body.face_normals) > 0).all()


# --- colours


def quad(arrays: ArraySet, **looks: object) -> tuple[s.Body, Shape]:
    body = shots.body(arrays, "Quad", shots.plane(2.0), role="static", looks=s.Looks(**looks))  # type: ignore[arg-type]
    return body, shape_of(body, arrays)


QUAD_UV = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], np.float32)


def colors_at(body: s.Body, arrays: ArraySet, geometry: Shape, xy: Array, width: float) -> Array:
    """Look up colours at points of the quad given by x and y in -1..1."""
    upper = xy[:, 1] > xy[:, 0]
    triangle = upper.astype(np.int64)
    corners = geometry.vertices[geometry.triangles[triangle]][:, :, :2].astype(float)
    ones = np.ones((len(xy), 1))
    weights = np.linalg.solve(
        np.concatenate([corners, np.ones((len(xy), 3, 1))], 2).transpose(0, 2, 1),
        np.concatenate([xy, ones], 1)[..., None],
    )[..., 0]
    footprint = np.full(len(xy), width)
    return surface_colors(body, arrays, geometry, triangle, weights, footprint=footprint)[0]


def test_image_lies_on_the_quad_as_in_blender() -> None:
    arrays = ArraySet()
    image = np.zeros((2, 2, 4), np.uint8)
    image[..., 3] = 255
    image[0, 0, 0] = image[0, 1, 1] = image[1, 0, 2] = 188  # top left red, top right green
    surface = s.Surface(image=arrays.add(image))
    body, geometry = quad(arrays, surfaces=(surface,), uv=arrays.add(QUAD_UV))
    at = np.array([[-0.5, 0.5], [0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])  # texel centres
    value = srgb_to_linear(np.array(188 / 255))
    expected = value * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert np.allclose(colors_at(body, arrays, geometry, at, 0.0), expected, atol=1e-5)


def test_image_repeats_and_is_read_between_texels() -> None:
    image = np.zeros((1, 4, 4), np.float32)
    image[0, :, 0] = [0, 1, 2, 3]
    uv = np.array([[0.125, 0.5], [0.25, 0.5], [1.25, -0.5], [0.0, 0.5]])
    assert np.allclose(look_up(image, uv, np.zeros(4))[:, 0], [0, 0.5, 0.5, 1.5])


def test_image_is_averaged_over_wide_footprints() -> None:
    checker = np.indices((64, 64)).sum(axis=0) % 2
    image = np.repeat((checker * 255).astype(np.uint8)[:, :, None], 4, axis=2)
    colors = look_up(image, np.random.default_rng(0).random((50, 2)), np.full(50, 8.0))
    assert np.allclose(colors, 0.5, atol=1e-6)


def test_corner_colours_replace_the_base_colour() -> None:
    arrays = ArraySet()
    corners = np.zeros((2, 3, 4), np.float32)
    corners[..., 0] = shots.plane(2.0)[0][shots.plane()[1]][..., 0] / 2 + 0.5
    body, geometry = quad(arrays, colors=arrays.add(corners))
    at = np.array([[-1.0, 0.2], [0.5, 0.0], [0.9, -0.9]])
    assert np.allclose(colors_at(body, arrays, geometry, at, 0.0)[:, 0], at[:, 0] / 2 + 0.5)


def test_each_face_shows_its_surface() -> None:
    arrays = ArraySet()
    surfaces = (s.Surface(base_color=(1, 0, 0)), s.Surface(base_color=(0, 1, 0)))
    index = arrays.add(np.array([1, 0], np.int32))
    body, geometry = quad(arrays, surfaces=surfaces, surface_index=index)
    found = colors_at(body, arrays, geometry, np.array([[0.5, -0.5], [-0.5, 0.5]]), 0.0)
    assert found.tolist() == [[0, 1, 0], [1, 0, 0]]
