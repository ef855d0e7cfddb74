"""Forms of silhouettes and of depth, against forms that are known."""

import numpy as np
import pytest
from scipy import ndimage

from impetus.backend.contract.errors import LiftError
from impetus.backend.stages.lifts.depth_maps import DepthMap
from impetus.backend.stages.lifts.form import Form, form_of
from impetus.backend.stages.lifts.inflate import harmonic, inflated
from impetus.backend.stages.lifts.lattice import lattice_over
from impetus.backend.stages.lifts.nets import surface_net
from impetus.backend.stages.lifts.seen import Seen, seen_from
from impetus.kernels.mesh_distance import is_closed, mesh_volume

from .lift_cases import disc

LONG_LENS = 20_000.0
"So long that rays are parallel, and a disc's form a sphere."


def seen(size: int, radius: float, lens: float = LONG_LENS) -> Seen:
    box = (size / 2 - radius, size / 2 - radius, size / 2 + radius, size / 2 + radius)
    return seen_from((size, size), box, lens=lens, length=2.0)


@pytest.mark.parametrize("lens", [LONG_LENS, 50.0])
def test_a_disc_becomes_a_sphere(lens: float) -> None:
    """Also near the camera, where a sphere's silhouette is not its greatest circle."""
    shape = form_of(disc(96, 36), seen(96, 36, lens)).shape
    tangent = 36 / (lens / 36 * 96)
    radius = np.hypot(1, tangent)  # the silhouette's is 1
    centre = np.array([0, (shape.low[1] + shape.high[1]) / 2, 0])
    away = shape.vertices - centre
    distance = np.linalg.norm(away, axis=1)
    assert np.abs(distance / radius - 1).max() < 0.02
    assert is_closed(shape.triangles)
    assert shape.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)
    outward = away[shape.triangles].mean(axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    assert np.einsum("fd,fd->f", outward, shape.face_normals).min() > 0.95


def test_an_ellipse_becomes_an_ellipsoid() -> None:
    """u = 2 a² b² / (a² + b²) (1 - x²/a² - y²/b²) solves laplace(u) = -4, zero on the ellipse."""
    a, b = 40.0, 20.0
    y, x = np.mgrid[:64, :96] + 0.5
    inner = 1 - ((x - 48) / a) ** 2 - ((y - 32) / b) ** 2
    mask = np.clip(inner * b / 2 + 0.5, 0, 1).astype(np.float32)
    lattice = lattice_over(mask, 200)
    right, down = np.meshgrid((lattice.x - 48) / a, (lattice.y - 32) / b)
    truth = 2 * (a * b) ** 2 / (a**2 + b**2) * (1 - right**2 - down**2)
    error = np.abs(inflated(lattice) - truth)[lattice.inside]
    assert error.max() < 0.02 * truth.max()


def test_what_is_straight_is_spread_straight() -> None:
    inside = disc(40, 15) > 0.5
    rim = inside & ~ndimage.binary_erosion(inside)
    y, x = np.mgrid[:40, :40]
    plane = 3.0 + 0.5 * x - 0.25 * y
    assert np.allclose(harmonic(inside, rim, plane)[inside], plane[inside])


def test_nets_close_around_anything() -> None:
    for seed in range(6):
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((20, 22, 24)), 1.0)
        values = np.full((22, 24, 26), -1.0)
        values[1:-1, 1:-1, 1:-1] = noise - np.median(noise)
        vertices, triangles = surface_net(values)
        assert is_closed(triangles)
        assert mesh_volume(vertices.astype(np.float32), triangles) > 0


def test_nets_come_nearer_by_the_square_of_the_spacing() -> None:
    errors = []
    for nodes in (12, 24, 48):
        axis = np.linspace(-1.3, 1.3, nodes)
        x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
        vertices, triangles = surface_net(1 - x**2 - y**2 - z**2)
        volume = mesh_volume(vertices.astype(np.float32), triangles) * (axis[1] - axis[0]) ** 3
        errors.append(abs(volume - 4 / 3 * np.pi))
    assert np.log2(errors[0] / errors[1]) > 1.7
    assert np.log2(errors[1] / errors[2]) > 1.7


def test_nets_refuse_what_leaves_the_lattice() -> None:
    with pytest.raises(ValueError, match="border"):
        surface_net(np.ones((4, 4, 4)))


def ramp(size: int, camera: Seen, slope: float) -> np.ndarray:
    """Depth [m] of a ball with a slanted cut: a front that is no mirror image of a plane."""
    y, x = np.mgrid[:size, :size] + 0.5
    across = (x - size / 2) * camera.metres_per_pixel
    down = (y - size / 2) * camera.metres_per_pixel
    round_ = np.sqrt(np.clip(1 - across**2 - down**2, 0, None))
    return (camera.distance - round_ + slope * across).astype(np.float32)


def at_front(form: Form, depth: np.ndarray) -> float:
    """Return the greatest error of the front in metres, off the rim."""
    truth = form.lattice.sampled(depth.astype(np.float64))
    inner = ndimage.binary_erosion(form.lattice.inside, iterations=4)
    return float(np.abs(form.front - truth)[inner].max())


def test_metric_depth_is_the_front_and_its_mirror_image_the_back() -> None:
    camera = seen(96, 36, 500.0)
    across = (np.arange(96) + 0.5 - 48)[None, :] * camera.metres_per_pixel
    depth = ramp(96, camera, 0.3)
    depth *= camera.distance / np.median(depth[disc(96, 36) > 0.5])
    form = form_of(disc(96, 36), camera, depth=DepthMap(depth, "metric"))
    assert at_front(form, depth) < 0.01
    assert is_closed(form.shape.triangles)
    slanted = form.lattice.sampled(np.broadcast_to(0.3 * across, (96, 96)))
    middle = (form.front + form.back) / 2 - slanted
    inner = ndimage.binary_erosion(form.lattice.inside, iterations=4)
    assert np.ptp(middle[inner]) < 0.1


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_depth_without_unit_keeps_its_order(kind: str) -> None:
    camera = seen(96, 36, 50.0)
    depth = ramp(96, camera, 0.2)
    given = 7 + 100 * depth if kind == "depth" else 1 / depth
    form = form_of(disc(96, 36), camera, depth=DepthMap(given.astype(np.float32), kind))
    inner = ndimage.binary_erosion(form.lattice.inside, iterations=3)
    truth = form.lattice.sampled(depth.astype(np.float64))[inner]
    pairs = np.random.default_rng(0).integers(0, len(truth), (2, 4000))
    apart = np.abs(truth[pairs[0]] - truth[pairs[1]]) > 0.02
    same = np.sign(truth[pairs[0]] - truth[pairs[1]]) == np.sign(
        form.front[inner][pairs[0]] - form.front[inner][pairs[1]]
    )
    assert same[apart].mean() > 0.99


def test_depth_must_be_known_and_vary() -> None:
    camera = seen(96, 36)
    with pytest.raises(LiftError, match="at least 50%"):
        form_of(disc(), camera, depth=DepthMap(np.full((96, 96), np.nan, np.float32), "depth"))
    with pytest.raises(LiftError, match="varies"):
        form_of(disc(), camera, depth=DepthMap(np.ones((96, 96), np.float32), "depth"))


def test_thin_things_keep_their_pixels() -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[10:54, 31:33] = 1
    mask[30:32, 10:54] = 1
    form = form_of(mask, seen_from((64, 64), (10, 10, 54, 54), lens=50, length=1.0))
    assert is_closed(form.shape.triangles)
    assert form.shape.high[0] - form.shape.low[0] == pytest.approx(1.0, rel=0.05)


def test_pixels_come_back_from_body_space() -> None:
    camera = seen_from((200, 100), (20, 10, 80, 70), lens=50, length=2.0)
    x, y, z = np.array([20.0, 150.0]), np.array([10.0, 90.0]), np.array([3.0, 5.0])
    pixel, depth = camera.to_picture(camera.to_body(x, y, z))
    assert np.allclose(pixel, np.stack([x, y], 1))
    assert np.allclose(depth, z)
    middle = camera.to_body(np.array(50.0), np.array(40.0), np.array(camera.origin))
    assert np.allclose(middle, 0)
