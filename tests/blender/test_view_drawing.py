"""Pictures with depth drawn beside a mesh: who hides whom, seen from where it was made and not."""

from dataclasses import dataclass

import bpy
import gpu
import numpy as np
import pytest
from mathutils import Matrix

from blender_addon.viewport import drawing, shaders
from blender_addon.viewport.lens import Lens, lens_of
from blender_addon.viewport.panes import Pane, Picture, Stand

SIZE = (120, 90)
RED, BLUE = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0)
WALL = 4.0
"Distance of the blue wall before the camera, which covers the left half of the view."


@pytest.fixture(scope="module", autouse=True)
def graphics() -> None:
    if not hasattr(gpu, "init"):
        pytest.skip("this Blender has no gpu without a window")
    try:
        gpu.init()
    except Exception as error:
        pytest.skip(f"there is no gpu here, not even in software: {error}")


@dataclass(frozen=True)
class Camera:
    """A view in Blender's matrices."""

    view: np.ndarray
    projection: np.ndarray

    @property
    def lens(self) -> Lens:
        return lens_of(self.view, self.projection, SIZE)


def perspective(shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    near, far, x = 0.1, 100.0, 1.5
    y = x * SIZE[0] / SIZE[1]
    p = np.zeros((4, 4))
    p[0, 0], p[1, 1], p[0, 2], p[1, 2] = x, y, *shift
    p[2, 2], p[2, 3], p[3, 2] = -(far + near) / (far - near), -2 * far * near / (far - near), -1
    return p


def parallel() -> np.ndarray:
    near, far = -50.0, 50.0
    p = np.diag([0.3, 0.3 * SIZE[0] / SIZE[1], -2 / (far - near), 1.0])
    p[2, 3] = -(far + near) / (far - near)
    return p


CAMERAS = {
    "perspective": Camera(np.eye(4), perspective()),
    "shifted": Camera(np.eye(4), perspective((0.3, -0.2))),
    "orthographic": Camera(np.eye(4), parallel()),
}


def plate(camera: Camera, distance: float, color: tuple[float, ...] = RED) -> Picture:
    """A picture of a plate across the whole view, less a rim of a tenth."""
    lens = camera.lens
    width, height = SIZE
    left, top = width // 10, height // 10
    shape = (height - 2 * top, width - 2 * left)
    back = float(lens.camera_to_world[2, 3])  # where an orthographic view is seen from
    depth = np.full(shape, distance + back, np.float32)
    stand = Stand("t" * 26, 1, "all", lens)
    return Picture(
        stand, lens, left, top, np.tile(np.array(color, np.float32), (*shape, 1)), depth,
        True, 0.1, 1,
    )  # fmt: skip


def shoot(camera: Camera, picture: Picture) -> np.ndarray:
    """Return the image (h, w, 4), top row first, of the wall and the picture in one view."""
    screen = gpu.types.GPUOffScreen(*SIZE, format="RGBA16F")
    with screen.bind():
        frame = gpu.state.active_framebuffer_get()
        frame.clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
        gpu.state.depth_test_set("LESS_EQUAL")
        gpu.state.depth_mask_set(True)
        draw_wall(camera)
        now = drawing._Now(camera.view, camera.projection, 1.0, camera.lens)
        pane = Pane(0, stand=Stand("t" * 26, 1, "all", camera.lens), picture=picture)
        drawing._draw(pane, now)
        gpu.state.depth_test_set("NONE")
        data = frame.read_color(0, 0, *SIZE, 4, 0, "FLOAT")
        data.dimensions = SIZE[0] * SIZE[1] * 4
    screen.free()
    drawing.forget()
    return np.array(data).reshape(SIZE[1], SIZE[0], 4)[::-1]


def draw_wall(camera: Camera) -> None:
    """Draw a blue square, WALL before the camera at the origin, left of its axis."""
    corners = [(-50, -50), (0, -50), (-50, 50), (0, 50)]
    place = np.array([(x, y, -WALL) for x, y in corners], np.float32)
    batch = shaders._batch("TRI_STRIP", {"pos": place})
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.bind()
    matrix = camera.projection @ camera.view
    with gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
        gpu.matrix.load_projection_matrix(_rows(matrix))
        gpu.matrix.load_matrix(_rows(np.eye(4)))
        shader.uniform_float("color", BLUE)
        batch.draw(shader)


def _rows(matrix: np.ndarray) -> Matrix:
    return Matrix(matrix.tolist())


def shares(image: np.ndarray) -> dict[str, np.ndarray]:
    """Return where red is and where blue is."""
    return {"red": image[..., 0] > 0.5, "blue": image[..., 2] > 0.5}


def edge(camera: Camera) -> int:
    """Return the column of the wall's right edge."""
    lens = camera.lens
    return round(float(lens.intrinsics[2]))


@pytest.mark.parametrize("name", CAMERAS)
def test_splats_before_a_mesh_hide_it_and_behind_it_are_hidden(name: str) -> None:
    camera = CAMERAS[name]
    column = edge(camera)
    left, top = SIZE[0] // 10, SIZE[1] // 10
    inside = np.zeros((SIZE[1], SIZE[0]), bool)
    inside[top:-top, left:-left] = True
    behind_wall = np.zeros_like(inside)
    behind_wall[:, :column] = True
    near = shares(shoot(camera, plate(camera, WALL - 1)))
    assert (near["red"] == inside).all()
    assert (near["blue"] == (behind_wall & ~inside)).all()
    far = shares(shoot(camera, plate(camera, WALL + 1)))
    assert (far["red"] == (inside & ~behind_wall)).all()
    assert (far["blue"] == behind_wall).all()


@pytest.mark.parametrize("name", CAMERAS)
def test_splats_in_the_very_mesh_are_seen(name: str) -> None:
    camera = CAMERAS[name]
    inside = np.zeros((SIZE[1], SIZE[0]), bool)
    inside[9:-9, 12:-12] = True
    assert (shares(shoot(camera, plate(camera, WALL)))["red"] == inside).all()


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("distance", [WALL - 1, WALL + 1])
def test_from_elsewhere_splats_stay_where_they_are(name: str, distance: float) -> None:
    """A picture made before the camera moved, against where its plate truly is now."""
    made = CAMERAS[name]
    turn = np.deg2rad(8.0)
    c, s = np.cos(turn), np.sin(turn)
    aside = np.array([[c, 0, s, -0.3], [0, 1, 0, 0.1], [-s, 0, c, 0.2], [0, 0, 0, 1.0]])
    camera = Camera(aside @ made.view, made.projection)
    found = shares(shoot(camera, plate(made, distance)))
    truth = true_plate(made, camera, distance)
    wall = true_wall(camera)
    expected = truth & ~wall if distance > WALL else truth
    off = found["red"] != expected
    assert off.mean() < 0.03, "but for a pixel along its rim"
    assert (found["blue"] & ~wall).sum() <= 2 * SIZE[1]
    assert expected.sum() > 1000


def rays(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return start and direction (h, w, 3) in the world of every pixel's ray."""
    width, height = SIZE
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = 1 - (np.arange(height) + 0.5) / height * 2
    back = np.linalg.inv(camera.projection @ camera.view)
    ends = []
    for z in (-1.0, 1.0):
        clip = np.stack(np.broadcast_arrays(x[None], y[:, None], z, 1.0), -1)
        world = clip @ back.T
        ends.append(world[..., :3] / world[..., 3:])
    return ends[0], ends[1] - ends[0]


def crossing(camera: Camera, distance: float) -> np.ndarray:
    start, along = rays(camera)
    share = (-distance - start[..., 2]) / along[..., 2]
    return start + share[..., None] * along


def true_wall(camera: Camera) -> np.ndarray:
    return crossing(camera, WALL)[..., 0] < 0


def true_plate(made: Camera, camera: Camera, distance: float) -> np.ndarray:
    at = crossing(camera, distance)
    clip = np.concatenate([at, np.ones((*at.shape[:2], 1))], -1) @ (made.projection @ made.view).T
    seen = clip[..., :2] / clip[..., 3:]
    return (np.abs(seen) < 0.8).all(-1)


def test_alpha_blends_with_what_is_behind() -> None:
    camera = CAMERAS["perspective"]
    half = (0.5, 0.0, 0.0, 0.5)
    image = shoot(camera, plate(camera, WALL - 1, half))
    assert image[45, 30] == pytest.approx((0.5, 0, 0.5, 1.0), abs=0.02)
    assert image[45, 90] == pytest.approx((0.5, 0, 0, 0.5), abs=0.02)


def test_a_coarse_picture_covers_the_view(scene: bpy.types.Scene) -> None:
    camera = CAMERAS["perspective"]
    lens = camera.lens.scaled(30, 22)
    shape = (22, 30)
    picture = Picture(
        Stand("t" * 26, 1, "all", camera.lens), lens, 0, 0,
        np.tile(np.array(RED, np.float32), (*shape, 1)), np.full(shape, 2.0, np.float32),
        False, 0.1, 1,
    )  # fmt: skip
    assert shares(shoot(camera, picture))["red"].all()


def test_the_rim_takes_the_depth_of_its_neighbour() -> None:
    """Where the blended colour reaches one pixel farther than depth, it is no hole."""
    camera = CAMERAS["perspective"]
    lens = camera.lens.scaled(30, 22)
    color = np.zeros((22, 30, 4), np.float32)
    color[:, :15] = RED
    depth = np.where(color[..., 3] > 0, np.float32(2.0), np.float32(np.inf))
    picture = Picture(
        Stand("t" * 26, 1, "all", camera.lens), lens, 0, 0, color, depth, False, 0.1, 1
    )
    red = shoot(camera, picture)[45, :, 0]
    assert (red[:58] > 0.9).all()
    assert (np.diff(red) <= 1e-3).all(), "it fades, and does not come again"
    assert 0.1 < red[60] < 0.9
