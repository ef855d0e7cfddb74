"""Edits over a picture: handles on the camera's frame, and what they say of its pixels."""

import math

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler

from impetus.backend.contract import edits as e
from impetus.backend.contract.errors import ShotError

pytestmark = pytest.mark.blender

CAMERAS = [
    {"film": (640, 360)},
    {"film": (360, 640)},
    {"film": (640, 360), "shift": (0.2, -0.1), "percentage": 50},
    {"film": (360, 640), "fit": "HORIZONTAL", "shift": (0.1, -0.2)},
    {"film": (640, 360), "fit": "VERTICAL", "shift": (-0.3, 0.15), "scale": 2.5},
    {"film": (400, 600), "fit": "VERTICAL", "aspect": (1.0, 1.5), "percentage": 33},
    {"film": (640, 360), "type": "ORTHO", "shift": (0.1, -0.2), "scale": 2.5},
]
KINDS = ["TRANSLATE", "ROTATE", "SCALE", "STRETCH", "HOMOGRAPHY", "STRETCH_ROWS"]


@pytest.fixture
def stage(scene):
    """A turned camera before a cube; edits are on."""
    set_camera(scene, {"film": (640, 360)})
    diffusion = scene.impetus.diffusion
    diffusion.method, diffusion.motion_guidance.motion = "MOTION_GUIDANCE", "AUTHORED"
    return scene


def set_camera(scene, case):
    data = bpy.data.cameras.new("Camera")
    data.lens, data.sensor_width, data.sensor_height = 40.0, 36.0, 20.0
    data.sensor_fit, data.type = case.get("fit", "AUTO"), case.get("type", "PERSP")
    data.shift_x, data.shift_y = case.get("shift", (0.0, 0.0))
    camera = bpy.data.objects.new("Camera", data)
    camera.location, camera.scale = (1.0, -5.0, 2.0), (case.get("scale", 1.0),) * 3
    camera.rotation_euler = Euler((1.2, 0.1, 0.3))
    scene.collection.objects.link(camera)
    scene.camera = camera
    render = scene.render
    (render.resolution_x, render.resolution_y) = case["film"]
    render.resolution_percentage = case.get("percentage", 100)
    render.pixel_aspect_x, render.pixel_aspect_y = case.get("aspect", (1, 1))
    bpy.context.view_layer.update()


def film(scene):
    render = scene.render
    share = render.resolution_percentage / 100
    return np.array([int(render.resolution_x * share), int(render.resolution_y * share)])


def seen(scene, ob):
    """Return the pixel at which Blender itself says that an object is seen."""
    x, y, _ = world_to_camera_view(scene, scene.camera, ob.matrix_world.translation)
    return np.array([x, 1 - y]) * film(scene)


def handles(scene, index=0):
    edit = scene.impetus.diffusion.edits[index]
    return {handle.name: handle.object for handle in edit.handles}


def pixels(scene, index=0):
    return {name: seen(scene, ob) for name, ob in handles(scene, index).items()}


def scatter(scene, spread=0.05, index=0):
    """Move every handle, off the plane too, as an artist may in any view."""
    rng = np.random.default_rng(1)
    for ob in handles(scene, index).values():
        ob.location.x += rng.uniform(-spread, spread)
        ob.location.y += rng.uniform(-spread, spread)
        ob.location.z *= rng.uniform(0.9, 1.1)
    bpy.context.view_layer.update()


def export(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


def edits(scene):
    return export(scene).shot.method.motion.edits


def add(kind, **chosen):
    bpy.ops.object.select_all(action="DESELECT")
    assert bpy.ops.impetus.add_edit(kind=kind, **chosen) == {"FINISHED"}


@pytest.mark.parametrize("case", CAMERAS)
def test_an_offset_is_what_the_camera_sees(scene, case):
    set_camera(scene, case)
    diffusion = scene.impetus.diffusion
    diffusion.method, diffusion.motion_guidance.motion = "MOTION_GUIDANCE", "AUTHORED"
    add("TRANSLATE")
    at = pixels(scene)
    assert at["start_0"] == pytest.approx(film(scene) / 2, abs=2e-3)  # put in the middle
    assert at["goal_0"] == pytest.approx(film(scene) * (0.7, 0.5), abs=2e-3)
    frame = scene.camera.data.view_frame(scene=scene)  # as Blender draws the camera
    assert handles(scene)["goal_0"].location.z == pytest.approx(frame[0].z)
    scatter(scene)
    at = pixels(scene)
    (edit,) = edits(scene)
    assert edit.offset == pytest.approx(at["goal_0"] - at["start_0"], abs=4e-3)
    assert np.hypot(*edit.offset) > 1


def test_a_rotation_is_clockwise_as_seen(stage):
    add("ROTATE")
    (edit,) = edits(stage)
    assert math.degrees(edit.angle) == pytest.approx(-30, abs=0.01)
    scatter(stage)
    at = pixels(stage)
    (edit,) = edits(stage)
    before, after = at["start_0"] - at["center"], at["goal_0"] - at["center"]
    turn = np.array(
        [
            [math.cos(edit.angle), -math.sin(edit.angle)],
            [math.sin(edit.angle), math.cos(edit.angle)],
        ]
    )
    aligned = turn @ before / np.hypot(*before)
    assert aligned == pytest.approx(after / np.hypot(*after), abs=1e-4)
    assert np.array(edit.center) * film(stage) == pytest.approx(at["center"], abs=2e-3)


def test_a_scale_is_a_ratio_of_distances(stage):
    add("SCALE")
    assert edits(stage)[0].factor == pytest.approx(1.3, rel=1e-4)
    scatter(stage)
    at = pixels(stage)
    (edit,) = edits(stage)
    reach = [np.hypot(*(at[name] - at["center"])) for name in ("start_0", "goal_0")]
    assert edit.factor == pytest.approx(reach[1] / reach[0], rel=1e-4)


def test_a_stretch_takes_the_start_along_its_direction(stage):
    add("STRETCH")
    (edit,) = edits(stage)
    assert edit.factor == pytest.approx(1.3, rel=1e-4)
    assert abs(math.degrees(edit.angle)) == pytest.approx(90, abs=0.01)
    scatter(stage)
    at = pixels(stage)
    (edit,) = edits(stage)
    u = np.array([math.cos(edit.angle), math.sin(edit.angle)])
    before, after = at["start_0"] - at["center"], at["goal_0"] - at["center"]
    assert before == pytest.approx(np.hypot(*before) * u, abs=4e-3)
    assert edit.factor == pytest.approx(after @ u / np.hypot(*before), rel=1e-4)


def corners_of(box):
    return np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]])


def warped(corners, offsets, points):
    """Return where the plane goes that takes `corners` by `offsets`, at `points`."""
    rows = []
    for (x, y), (u, v) in zip(corners, corners + offsets, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]]
    matrix = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    homogeneous = np.append(points, np.ones((len(points), 1)), 1) @ matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def test_a_perspective_takes_the_starts_to_the_goals(stage):
    add("HOMOGRAPHY")
    scatter(stage, 0.02)
    at = pixels(stage)
    (edit,) = edits(stage)
    starts, goals = (np.stack([at[f"{side}_{i}"] for i in range(4)]) for side in ("start", "goal"))
    corners = corners_of((0, 0, *film(stage)))  # nothing is masked: the box is the film
    assert warped(corners, np.array(edit.corners), starts) == pytest.approx(goals, abs=0.02)


def test_rows_are_stretched_as_far_as_the_goals(stage):
    add("STRETCH_ROWS")
    scatter(stage, 0.01)
    at = pixels(stage)
    (edit,) = edits(stage)
    middle, height = at["center"][0], film(stage)[1]
    expected = sorted(
        (at[f"start_{i}"][1] / height,
         (at[f"goal_{i}"][0] - middle) / (at[f"start_{i}"][0] - middle))
        for i in range(3)
    )  # fmt: skip
    assert np.array(edit.factors) == pytest.approx(np.array(expected), rel=1e-4)


def test_rows_beyond_the_box_count_by_their_nearest():
    from blender_addon.shot_export.diffusion.edits import Box, read_edit
    from impetus.backend.contract.shot import Film

    heights, factors = (0.0, 10.0, 30.0, 50.0, 60.0), (1.0, 2.0, 3.0, 4.0, 5.0)
    at = {"center": np.array([20.0, 30.0])}
    for i, (height, factor) in enumerate(zip(heights, factors, strict=True)):
        at[f"start_{i}"] = np.array([30.0, height])
        at[f"goal_{i}"] = np.array([20 + 10 * factor, height])
    box = Box(np.array([0.0, 20.0]), np.array([40.0, 40.0]))
    edit = read_edit("Reshape", "STRETCH_ROWS", at, Film(40, 60), None, box)
    assert edit.factors == ((0.0, 2.0), (0.5, 3.0), (1.0, 4.0))


def test_the_selected_object_is_what_an_edit_moves(stage):
    stage.camera.location, stage.camera.rotation_euler = (0, -8, 0), (math.pi / 2, 0, 0)
    bpy.ops.mesh.primitive_cube_add(size=1, location=(1, 0, 0.5))
    cube = bpy.context.object
    assert bpy.ops.impetus.add_edit(kind="HOMOGRAPHY") == {"FINISHED"}
    assert stage.impetus.diffusion.edits[0].mask.object == cube
    at = pixels(stage)
    focal = 40 / 36 * 640
    # Its back shows on the left, its front on the right and above.
    box = [320 + focal * 0.5 / 8.5, 180 - focal * 1.0 / 7.5, 320 + focal * 1.5 / 7.5, 180.0]
    starts = np.stack([at[f"start_{i}"] for i in range(4)])
    assert starts == pytest.approx(corners_of(box), abs=2e-3)
    exported = export(stage)
    (edit,) = exported.shot.method.motion.edits
    mask = exported.arrays.of(edit.mask)
    rows, columns = np.nonzero(mask)
    edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert edges == pytest.approx(box, abs=0.51)
    goals = np.stack([at[f"goal_{i}"] for i in range(4)])
    found = warped(corners_of(edges), np.array(edit.corners), starts)
    assert found == pytest.approx(goals, abs=0.05)


def test_handles_are_read_at_the_source_frame(stage):
    diffusion = stage.impetus.diffusion
    diffusion.frame, diffusion.use_frame = 5, True
    camera = stage.camera
    for frame, lens in ((1, 40.0), (10, 80.0)):
        camera.data.lens = lens
        camera.data.keyframe_insert("lens", frame=frame)
    stage.frame_set(1)
    add("TRANSLATE")
    assert stage.frame_current == 1
    stage.frame_set(5)
    at = pixels(stage)
    assert at["goal_0"] == pytest.approx(film(stage) * (0.7, 0.5), abs=2e-3)
    stage.frame_set(1)
    assert edits(stage)[0].offset == pytest.approx(at["goal_0"] - at["start_0"], abs=4e-3)


def test_the_amount_is_sampled_in_every_frame(stage):
    add("TRANSLATE")
    assert export(stage).shot.method.motion.amount is None
    guided = stage.impetus.diffusion.motion_guidance
    guided.use_amount, guided.amount = True, 0.5
    exported = export(stage)
    assert exported.arrays.of(exported.shot.method.motion.amount).tolist() == [0.5]
    stage.impetus.simulation_start = -1
    for frame, amount in ((1, 0.0), (10, 1.0)):
        guided.amount = amount
        stage.keyframe_insert("impetus.diffusion.motion_guidance.amount", frame=frame)
    exported = export(stage)
    track = exported.arrays.of(exported.shot.method.motion.amount)
    assert track.shape == (12,)  # tracked frames: from where the simulation starts
    assert track[[0, 2, 11]] == pytest.approx([0, 0, 1])
    assert (np.diff(track[2:]) > 0).all()


def test_the_list_is_ordered_muted_and_cleared(stage):
    for kind in KINDS:
        add(kind)
    diffusion = stage.impetus.diffusion
    assert len({edit.name for edit in diffusion.edits}) == len(KINDS)
    assert [type(edit) for edit in edits(stage)] == [
        e.Translate, e.Rotate, e.Scale, e.Stretch, e.Homography, e.StretchRows
    ]  # fmt: skip
    bpy.ops.impetus.order_edit(direction="UP")
    assert diffusion.edit_index == 4
    assert [type(edit) for edit in edits(stage)][-2:] == [e.StretchRows, e.Homography]
    diffusion.edits[0].use = False
    assert isinstance(edits(stage)[0], e.Rotate)
    objects = {ob.name for ob in stage.objects}
    while len(diffusion.edits):
        bpy.ops.impetus.remove_edit()
    assert {ob.name for ob in stage.objects} == {"Camera"}
    assert len(objects) == 1 + 2 + 3 + 3 + 3 + 8 + 7
    assert "Impetus Edits" not in bpy.data.collections
    with pytest.raises(RuntimeError, match="no edit yet"):
        bpy.ops.impetus.remove_edit()


def test_a_handle_that_is_gone_is_told_and_put_back(stage):
    from blender_addon import preflight

    add("TRANSLATE")
    add("HOMOGRAPHY")
    assert preflight.problems(stage) == []
    bpy.data.objects.remove(handles(stage, 1)["goal_2"])
    (problem,) = preflight.problems(stage)
    assert (problem.where, problem.fix) == ("Perspective", "RESET_HANDLES")
    with pytest.raises(ShotError, match="Perspective: expected its handles in the scene"):
        export(stage)
    stage.impetus.diffusion.edit_index = 0
    bpy.ops.impetus.fix(where=problem.where, fix=problem.fix)
    assert preflight.problems(stage) == []
    assert len(edits(stage)) == 2


def test_edits_without_one_are_told_and_begun(stage):
    from blender_addon import preflight

    (problem,) = preflight.problems(stage)
    assert problem.text == "There is no edit yet"
    with pytest.raises(ShotError, match="expected at least one edit"):
        export(stage)
    bpy.ops.impetus.fix(where=problem.where, fix=problem.fix)
    assert preflight.problems(stage) == []


def center_outside(at):
    at["center"] = np.array([-5.0, 10.0])


def start_on_center(at):
    at["start_0"] = at["center"].copy()


def goal_beyond_center(at):
    at["goal_0"] = at["center"] - (at["start_0"] - at["center"])


@pytest.mark.parametrize(
    ("kind", "spoil", "words"),
    [
        ("ROTATE", center_outside, "center inside the picture"),
        ("SCALE", start_on_center, "start away from its center"),
        ("STRETCH", goal_beyond_center, "goal on the start's side"),
        ("STRETCH_ROWS", goal_beyond_center, "goal on the start's side"),
        ("STRETCH_ROWS", start_on_center, "starts beside its center"),
    ],
)
def test_handles_that_make_no_edit_get_a_sentence(kind, spoil, words):
    from blender_addon.methods.edits.handles import first_places
    from blender_addon.shot_export.diffusion.edits import Box, read_edit
    from impetus.backend.contract.shot import Film

    box = Box(np.array([10.0, 10.0]), np.array([50.0, 40.0]))
    at = first_places(kind, box)
    spoil(at)
    with pytest.raises(ShotError, match=words) as caught:
        read_edit("Mine", kind, at, Film(64, 48), None, box)
    assert caught.value.where == "Mine"
    assert caught.value.remedy


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (0, 0, 1, 2)])
def test_corners_that_cross_get_a_sentence(order):
    from blender_addon.methods.edits.handles import first_places
    from blender_addon.shot_export.diffusion.edits import Box, read_edit
    from impetus.backend.contract.shot import Film

    box = Box(np.array([10.0, 10.0]), np.array([50.0, 40.0]))
    at = first_places("HOMOGRAPHY", box)
    goals = [at[f"goal_{i}"] for i in order]
    at |= {f"goal_{i}": goal for i, goal in enumerate(goals)}
    with pytest.raises(ShotError, match="corners on a line or turned over"):
        read_edit("Mine", "HOMOGRAPHY", at, Film(64, 48), None, box)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_ends_where_the_edit_goes(kind):
    from blender_addon.methods.edits.figures import figure
    from blender_addon.methods.edits.handles import first_places
    from blender_addon.shot_export.diffusion.edits import Box

    at = first_places(kind, Box(np.array([10.0, 10.0]), np.array([50.0, 40.0])))
    drawn = figure(kind, at)
    for i, way in enumerate(drawn.ways):
        goal, reach = at[f"goal_{i}"], 1.0
        if kind == "ROTATE":  # its arc is drawn nearer to the centre
            reach = 0.8
        origin = at.get("center", np.zeros(2))
        assert way[-1] - origin == pytest.approx(reach * (goal - origin))
        assert way[0] - origin == pytest.approx(reach * (at[f"start_{i}"] - origin))


def test_edits_need_a_camera(scene):
    scene.impetus.diffusion.method = "MOTION_GUIDANCE"
    with pytest.raises(RuntimeError, match="active camera"):
        bpy.ops.impetus.add_edit(kind="SCALE")
