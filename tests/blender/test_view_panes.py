"""Where a view looks from, and when what is asked for: what needs neither window nor backend."""

import dataclasses
import math

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector

from blender_addon.viewport.lens import Lens, clip_from_local, lens_of
from blender_addon.viewport.panes import (
    BUDGET,
    COARSEST,
    LONG_PATIENCE,
    PATIENCE,
    STILL,
    Asked,
    Pane,
    Panes,
    Picture,
    Stand,
    request,
)
from impetus.backend.cameras.track import intrinsics, opencv_pose, project
from impetus.backend.contract.views import MAX_PIXELS, PANES

SIZE = (160, 90)


def camera_at(scene: bpy.types.Scene, kind: str) -> bpy.types.Object:
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    camera.location = (1.5, -4.0, 2.0)
    look = Vector((0.2, 0.3, 0.5)) - camera.location
    camera.rotation_euler = look.to_track_quat("-Z", "Y").to_euler()
    camera.data.type = kind
    camera.data.shift_x, camera.data.shift_y = 0.12, -0.07
    camera.data.lens, camera.data.ortho_scale = 42.0, 3.5
    camera.data.clip_start, camera.data.clip_end = 0.2, 60.0
    bpy.context.view_layer.update()
    return camera


def matrices(camera: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    depsgraph = bpy.context.evaluated_depsgraph_get()
    projection = camera.calc_matrix_camera(depsgraph, x=SIZE[0], y=SIZE[1])
    return np.array(camera.matrix_world.inverted()), np.array(projection)


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
@pytest.mark.parametrize("metres", [1.0, 0.01])
def test_a_lens_sees_what_blender_s_matrices_show(
    scene: bpy.types.Scene, kind: str, metres: float
) -> None:
    """Random points, by Blender's own projection and by the contract's camera: same pixels."""
    camera = camera_at(scene, kind)
    view, projection = matrices(camera)
    lens = lens_of(view, projection, SIZE, metres)
    points = np.random.default_rng(0).normal(0, 1, (200, 3))
    clip = np.concatenate([points, np.ones((200, 1))], 1) @ (projection @ view).T
    seen = clip[:, :2] / clip[:, 3:]
    pixels = (seen * [1, -1] + 1) / 2 * SIZE
    local = (points * metres - lens.camera_to_world[:3, 3]) @ lens.camera_to_world[:3, :3]
    aside = local[:, :2] if lens.orthographic else local[:, :2] / local[:, 2:]
    assert np.allclose(aside * lens.intrinsics[:2] + lens.intrinsics[2:], pixels, atol=1e-3)
    assert lens.orthographic == (kind == "ORTHO")
    assert (local[:, 2] > 0).all()
    back = clip_from_local(lens, view, projection, metres)
    again = np.concatenate([local, np.ones((200, 1))], 1) @ back.T
    assert np.allclose(again / again[:, 3:], clip / clip[:, 3:], atol=1e-4)


def test_a_lens_is_that_of_the_shot_s_camera(scene: bpy.types.Scene) -> None:
    camera = camera_at(scene, "PERSP")
    lens = lens_of(*matrices(camera), SIZE)
    data = camera.data
    k = intrinsics(
        data.lens, (data.sensor_width, data.sensor_height), SIZE, shift=(data.shift_x, data.shift_y)
    )
    assert np.allclose(lens.intrinsics, k, atol=1e-3)
    assert np.allclose(lens.camera_to_world, opencv_pose(np.array(camera.matrix_world)), atol=1e-5)
    assert (lens.near, lens.far) == pytest.approx((0.2, 60.0), rel=1e-3)
    points = np.random.default_rng(1).normal(0, 1, (50, 3))
    small = lens.scaled(40, 45)
    pixels = project(points, lens.camera_to_world, lens.intrinsics)[0]
    coarse = project(points, small.camera_to_world, small.intrinsics)[0]
    assert np.allclose(coarse, pixels * [40 / 160, 45 / 90])


@pytest.mark.parametrize("near", [-500.0, 0.0])
def test_an_orthographic_view_has_all_of_it_ahead(near: float) -> None:
    """Blender's own orthographic views begin behind the point that they turn about."""
    far = 500.0
    projection = np.diag([0.2, 0.3, -2 / (far - near), 1.0])
    projection[2, 3] = -(far + near) / (far - near)
    lens = lens_of(np.eye(4), projection, SIZE)
    assert lens.near > 0
    assert lens.far == pytest.approx(far - near, rel=1e-3)
    assert lens.camera_to_world[2, 3] == pytest.approx(-near, abs=1e-2)


# --- what is asked for, and when

LENS = Lens(np.eye(4), np.array([100.0, 100, 80, 45]), *SIZE, 0.1, 100.0, False)


def stand(frame: int = 1, aside: float = 0.0, source: str = "t" * 26) -> Stand:
    pose = np.array(Matrix.Translation((aside, 0, 0)))
    return Stand(source, frame, "all", dataclasses.replace(LENS, camera_to_world=pose))


def picture(asked: Asked, seconds: float = BUDGET) -> Picture:
    empty = np.zeros((0, 0, 4), np.float32)
    return Picture(asked.stand, asked.lens, 0, 0, empty, empty[..., 0], asked.fine, seconds, 1)


def asked(pane: Pane, now: float) -> Asked:
    found = pane.next_ask(now)
    assert found is not None
    return found


def test_a_view_is_asked_for_coarsely_then_finely_then_no_more() -> None:
    pane = Pane(0)
    assert not pane.waits()
    pane.see(stand(), 0.0)
    first = asked(pane, 0.0)
    assert not first.fine
    assert first.lens.width < SIZE[0]
    assert pane.next_ask(0.01) is None, "one at a time"
    pane.came(picture(first), 0.1)
    assert pane.waits()
    assert pane.next_ask(0.1) is None, "it may move on"
    second = asked(pane, STILL)
    assert second.fine
    assert (second.lens.width, second.lens.height) == SIZE
    pane.came(picture(second), 0.5)
    pane.see(stand(), 0.6)
    assert pane.next_ask(0.7) is None
    assert not pane.waits(), "a view that is shown finely costs nothing"


def test_a_moving_view_has_one_picture_under_way_and_the_newest_next() -> None:
    pane = Pane(0)
    pane.see(stand(), 0.0)
    first = asked(pane, 0.0)
    for step in range(1, 6):
        pane.see(stand(aside=0.1 * step), 0.01 * step)
        assert pane.next_ask(0.01 * step) is None
    pane.came(picture(first), 0.1)
    second = asked(pane, 0.1)
    assert second.stand.key == stand(aside=0.5).key
    assert not second.fine


def test_a_fine_picture_under_way_is_overtaken() -> None:
    pane = Pane(0)
    pane.see(stand(), 0.0)
    pane.came(picture(asked(pane, 0.0)), 0.1)
    assert asked(pane, 0.5).fine
    assert pane.next_ask(0.55) is None
    pane.see(stand(aside=0.1), 0.6)
    assert not asked(pane, 0.6).fine


def test_the_size_follows_the_time_that_pictures_take() -> None:
    pane = Pane(0)
    sizes = []
    for step in range(40):  # a machine that takes half a second for the whole view
        pane.see(stand(aside=step), step)
        coarse = asked(pane, step)
        sizes.append(coarse.lens.width / SIZE[0])
        pane.came(picture(coarse, 0.5 * sizes[-1] ** 2), step + 0.5)
    assert sizes[-1] == pytest.approx(math.sqrt(BUDGET / 0.5), rel=0.05)
    for step in range(40, 80):
        pane.see(stand(aside=step), step)
        pane.came(picture(asked(pane, step), 60.0), step + 0.5)
    assert pane.scale == COARSEST


def test_a_silent_backend_is_asked_again_one_at_work_waited_for() -> None:
    pane = Pane(0)
    pane.see(stand(), 0.0)
    asked(pane, 0.0)
    assert pane.next_ask(PATIENCE - 1) is None
    asked(pane, PATIENCE + 1)
    pane.patience = LONG_PATIENCE
    assert pane.next_ask(3 * PATIENCE) is None
    assert pane.waits()


def test_what_is_absent_is_not_asked_for_again_until_there_is_more() -> None:
    pane = Pane(0)
    pane.see(stand(frame=8), 0.0)
    asked(pane, 0.0)
    pane.lacks(stand(frame=8))
    assert pane.next_ask(1.0) is None
    assert not pane.waits()
    pane.see(stand(frame=8, aside=0.3), 1.5)
    assert pane.next_ask(2.0) is None, "from the side it is absent as well"
    pane.see(stand(frame=7), 3.0)
    asked(pane, 3.0)
    pane.lacks(stand(frame=7))
    pane.again()
    asked(pane, 4.0)


def test_a_huge_view_is_shown_as_large_as_pictures_may_be() -> None:
    large = dataclasses.replace(LENS, width=7680, height=4320)
    pane = Pane(3)
    pane.see(Stand("t" * 26, 1, "all", large), 0.0)
    pane.came(picture(asked(pane, 0.0)), 0.1)
    fine = asked(pane, 1.0)
    assert MAX_PIXELS * 0.99 < fine.lens.width * fine.lens.height <= MAX_PIXELS
    look = request(pane, fine)  # which the contract checks
    assert (look.pane, look.fine, look.width) == (3, True, fine.lens.width)


def test_panes_are_bounded_and_keep_their_numbers() -> None:
    panes = Panes()
    first = [panes.of(region).number for region in range(PANES)]
    assert sorted(first) == list(range(PANES))
    assert panes.of(3).number == first[3]
    newcomer = panes.of(1000)
    assert newcomer.number == first[0], "the one drawn longest ago made room"
    assert len(list(panes)) == PANES
    assert panes.numbered(newcomer.number) is newcomer
