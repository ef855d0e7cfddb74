import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as shapes

from impetus.kernels.mesh_distance import is_closed, mesh_volume
from impetus.kernels.surface_nets import surface_nets


def ball(count: int, radius: float = 0.8) -> tuple[np.ndarray, float]:
    axis = np.linspace(-1, 1, count)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    return (radius - np.sqrt(x * x + y * y + z * z)).astype("f4"), float(axis[1] - axis[0])


def test_a_balls_volume_converges_with_the_square_of_the_spacing() -> None:
    errors = []
    for count in (17, 33, 65):
        field, spacing = ball(count)
        vertices, triangles = surface_nets(field, origin=(-1, -1, -1), spacing=spacing)
        assert is_closed(triangles)
        assert np.abs(np.linalg.norm(vertices, axis=1) - 0.8).max() < 0.5 * spacing**2 / 0.8
        errors.append(abs(mesh_volume(vertices, triangles) / (4 / 3 * np.pi * 0.8**3) - 1))
    slope = np.polyfit(np.log([16, 32, 64]), np.log(errors), 1)[0]
    assert slope == pytest.approx(-2, abs=0.3)


@settings(max_examples=60, deadline=None)
@given(shapes.arrays(np.bool_, (5, 5, 5), elements=st.booleans()))
def test_any_field_is_enclosed_outwards(inside: np.ndarray) -> None:
    field = np.full((9, 9, 9), -1, "f4")
    field[2:7, 2:7, 2:7] = np.where(inside, 1, -1)
    vertices, triangles = surface_nets(field, origin=(0, 0, 0), spacing=1.0)
    assert len(triangles) == 0 or is_closed(triangles)
    # a node alone is a cube of a third of the spacing; those with neighbours fill more
    assert mesh_volume(vertices, triangles) >= 0.99 * inside.sum() / 27
    assert inside.any() == (len(triangles) > 0)


def test_a_grid_that_is_inside_at_its_border_is_refused() -> None:
    with pytest.raises(ValueError, match="border of the grid outside"):
        surface_nets(np.ones((4, 4, 4), "f4"), origin=(0, 0, 0), spacing=1.0)
