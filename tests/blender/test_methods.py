"""The diffusion settings of a scene: as the contract's method in the shot, and told when wrong."""

import math

import bpy
import msgspec
import numpy as np
import pytest

from impetus.backend.contract import methods as m
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.image_motions import ShotMotion

pytestmark = pytest.mark.blender


@pytest.fixture
def stage(scene):
    """A camera before a cube and a ball; ten frames of 96 x 72; nothing is dynamic."""
    bpy.ops.object.camera_add(location=(0, -8, 0), rotation=(math.pi / 2, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.mesh.primitive_uv_sphere_add(location=(1.5, 0, 0), radius=0.5)
    scene.render.resolution_x, scene.render.resolution_y = 96, 72
    scene.impetus.diffusion.method = "MOTIONCRAFT"
    return scene


def export(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


def method(scene):
    return export(scene).shot.method


def texts(scene):
    from blender_addon import preflight

    return [problem.text for problem in preflight.problems(scene) if not problem.is_warning]


def same(one, other):
    """Compare structs; Blender keeps floats in single precision."""
    if isinstance(one, msgspec.Struct):
        assert type(one) is type(other)
        for name in one.__struct_fields__:
            same(getattr(one, name), getattr(other, name))
    else:
        assert one == (pytest.approx(other) if isinstance(other, float) else other)


def test_without_a_method_a_shot_is_as_it_is_rendered(stage):
    stage.impetus.diffusion.method = "NONE"
    assert method(stage) == m.NoMethod()
    assert texts(stage) == ["No object is dynamic yet"]


@pytest.mark.parametrize("kind", [m.MotionCraft, m.MotionGuidance])
def test_an_untouched_scene_has_the_papers_constants(stage, kind):
    stage.impetus.diffusion.method = kind.__struct_config__.tag.upper()
    same(method(stage), kind())
    assert texts(stage) == []


SETTINGS = [
    ("MOTIONCRAFT", "", "prompt", "a cube", "a cube"),
    ("MOTIONCRAFT", "", "model", " large ", "large"),
    ("MOTIONCRAFT", "motioncraft", "negative_prompt", "blurry", "blurry"),
    ("MOTIONCRAFT", "motioncraft", "steps", 40, 40),
    ("MOTIONCRAFT", "motioncraft", "tau", 600.0, 600.0),
    ("MOTIONCRAFT", "motioncraft", "guidance", 3.0, 3.0),
    ("MOTIONCRAFT", "motioncraft", "attention", "PREVIOUS", "previous"),
    ("MOTIONCRAFT", "motioncraft", "attend_to_itself", True, True),
    ("MOTIONCRAFT", "motioncraft", "reinvert", False, False),
    ("MOTIONCRAFT", "motioncraft", "inversion_rounds", 3, 3),
    ("MOTIONCRAFT", "motioncraft", "restore_variance", True, True),
    ("MOTIONCRAFT", "motioncraft", "posterior", "MODE", "mode"),
    ("MOTIONCRAFT", "motioncraft", "warp", "BILINEAR", "bilinear"),
    ("MOTIONCRAFT", "motioncraft", "backward", "SEMI-LAGRANGIAN", "semi-lagrangian"),
    ("MOTIONCRAFT", "motioncraft", "carry_residual", False, False),
    ("MOTIONCRAFT", "motioncraft", "settle_picture", False, False),
    ("MOTIONCRAFT", "motioncraft", "carry_detail", True, True),
    ("MOTIONCRAFT", "motioncraft", "follow", 0.25, 0.25),
    ("MOTIONCRAFT", "motioncraft", "fill", "SURROUNDINGS", "surroundings"),
    ("MOTIONCRAFT", "motioncraft.novelty", "disoccluded", False, False),
    ("MOTIONCRAFT", "motioncraft.novelty", "active", False, False),
    ("MOTIONCRAFT", "motioncraft.novelty", "out_of_frame", False, False),
    ("MOTIONCRAFT", "motioncraft.novelty", "ceiling", 0.5, 0.5),
    ("MOTIONCRAFT", "motioncraft.novelty", "floor", 0.25, 0.25),
    ("MOTION_GUIDANCE", "motion_guidance", "negative_prompt", "bad", "bad"),
    ("MOTION_GUIDANCE", "motion_guidance", "steps", 50, 50),
    ("MOTION_GUIDANCE", "motion_guidance", "guidance", 2.0, 2.0),
    ("MOTION_GUIDANCE", "motion_guidance", "recursions", 2, 2),
    ("MOTION_GUIDANCE", "motion_guidance", "weight", 100.0, 100.0),
    ("MOTION_GUIDANCE", "motion_guidance", "schedule", "1, 1 0.5", (1.0, 1.0, 0.5)),
    ("MOTION_GUIDANCE", "motion_guidance", "clip", 0.0, 0.0),
    ("MOTION_GUIDANCE", "motion_guidance", "edit_mask", False, False),
    ("MOTION_GUIDANCE", "motion_guidance", "dilation", 3.0, 3.0),
    ("MOTION_GUIDANCE", "motion_guidance", "gradient", "ESTIMATE", "estimate"),
    ("MOTION_GUIDANCE", "motion_guidance", "decoder", "TINY", "tiny"),
    ("MOTION_GUIDANCE", "motion_guidance", "carry_detail", True, True),
    ("MOTION_GUIDANCE", "motion_guidance", "low_memory", True, True),
    ("MOTION_GUIDANCE", "motion_guidance.terms", "flow_weight", 1.0, 1.0),
    ("MOTION_GUIDANCE", "motion_guidance.terms", "color_weight", 50.0, 50.0),
    ("MOTION_GUIDANCE", "motion_guidance.terms", "flow_iterations", 9, 9),
    ("MOTION_GUIDANCE", "motion_guidance.terms", "target_flow_warp", True, True),
    ("MOTION_GUIDANCE", "motion_guidance.terms", "occlusion_mask", False, False),
]


@pytest.mark.parametrize(
    ("kind", "group", "name", "value", "expected"),
    SETTINGS,
    ids=[f"{setting[1]}.{setting[2]}" for setting in SETTINGS],
)
def test_every_setting_arrives(stage, kind, group, name, value, expected):
    diffusion = stage.impetus.diffusion
    diffusion.method = kind
    setattr(diffusion.path_resolve(group) if group else diffusion, name, value)
    found = method(stage)
    for part in group.split(".")[1:]:
        found = getattr(found, part)
    assert getattr(found, name) == expected


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("", "start", "GENERATED"),
        ("motioncraft", "motion", "SHIFT"),
        ("motioncraft", "reinvert", False),
    ],
)
def test_renders_are_followed_only_where_they_show_the_same(stage, group, name, value):
    diffusion = stage.impetus.diffusion
    diffusion.method, diffusion.motioncraft.follow = "MOTIONCRAFT", 0.5
    diffusion.prompt = "a cube"
    assert method(stage).follow == 0.5
    setattr(diffusion.path_resolve(group) if group else diffusion, name, value)
    assert method(stage).follow == 0.0
    assert texts(stage) == []


def test_every_field_of_the_contract_can_be_set():
    """What the contract gains, the panel must gain."""
    elsewhere = {"start", "motion", "novelty", "terms", "editable", "hard_warp_start", "mask"}
    shared = {"prompt", "model", "flow_network"}
    for kind, nested in ((m.MotionCraft, m.Novelty), (m.MotionGuidance, m.GuidanceTerms)):
        tag = kind.__struct_config__.tag.upper()
        mine = {s[2] for s in SETTINGS if s[0] == tag}
        fields = {*kind.__struct_fields__, *nested.__struct_fields__}
        assert fields <= mine | elsewhere | shared


def test_a_hard_start_and_its_absence(stage):
    diffusion = stage.impetus.diffusion
    diffusion.method = "MOTION_GUIDANCE"
    assert method(stage).hard_warp_start is None
    diffusion.motion_guidance.use_hard_warp = True
    diffusion.motion_guidance.hard_warp_start = 0.5
    diffusion.flow_network = "other"
    found = method(stage)
    assert (found.hard_warp_start, found.terms.flow_network) == (0.5, "other")


def test_starts(stage):
    diffusion = stage.impetus.diffusion
    diffusion.frame = 4
    assert method(stage).start == m.RenderStart(None)
    diffusion.use_frame = True
    assert method(stage).start == m.RenderStart(4)
    diffusion.start, diffusion.start_steps = "GENERATED", 20
    assert method(stage).start == m.GeneratedStart(20, 7.5)
    assert "The prompt is empty, so there is nothing to generate" in texts(stage)


@pytest.mark.parametrize("is_float", [False, True])
def test_a_start_picture_is_srgb_and_upright(stage, is_float):
    image = bpy.data.images.new("Photo", 4, 2, float_buffer=is_float, alpha=True)
    pixels = np.zeros((2, 4, 4), np.float32)
    pixels[0, :, 0], pixels[..., 3] = 0.5, 1.0  # red below: Blender's first row is the lowest
    image.pixels.foreach_set(pixels.ravel())
    diffusion = stage.impetus.diffusion
    diffusion.start = "PICTURE"
    with pytest.raises(ShotError, match="expected a picture, got none"):
        export(stage)
    assert "No picture is chosen to start from" in texts(stage)
    diffusion.picture = image
    exported = export(stage)
    found = exported.arrays.of(exported.shot.method.start.image)
    assert found.shape == (2, 4, 4)
    assert not found[0, :, :3].any()
    assert (found[1, :, 0] == (188 if is_float else 128)).all()  # linear 0.5 is sRGB 188


def test_the_start_picture_is_laid_over_the_camera_and_taken_off(stage):
    with pytest.raises(RuntimeError, match="Choose the picture first"):
        bpy.ops.impetus.picture_in_camera()
    image = bpy.data.images.new("Photo", 4, 2)
    stage.impetus.diffusion.picture = image
    bpy.ops.impetus.picture_in_camera()
    (shown,) = stage.camera.data.background_images
    assert (shown.image, shown.frame_method) == (image, "CROP")
    bpy.ops.impetus.picture_in_camera()
    assert not len(stage.camera.data.background_images)


def test_the_motion_of_the_shot_needs_no_physics(stage):
    cube = bpy.data.objects["Cube"]
    cube.keyframe_insert("location", frame=1)
    cube.location.x = 2
    cube.keyframe_insert("location", frame=10)
    exported = export(stage)
    assert exported.shot.method.motion == ShotMotion()
    (body,) = [each for each in exported.shot.bodies if each.name == "Cube"]
    assert body.role == "kinematic"
    assert exported.arrays.of(body.poses)[:, 0, 3][[0, -1]] == pytest.approx([0, 2])


@pytest.mark.parametrize(
    ("kind", "each", "total"), [("MOTIONCRAFT", 400, 3600), ("MOTION_GUIDANCE", 10_000, 90_500)]
)
def test_costs_are_those_of_the_papers_settings(stage, kind, each, total):
    from blender_addon.methods import costs

    diffusion = stage.impetus.diffusion
    diffusion.method = kind
    assert costs.per_frame(diffusion) == each
    assert costs.whole(diffusion, stage) == total
    diffusion.start = "GENERATED"
    assert costs.whole(diffusion, stage) == total + 100


def test_costs_follow_the_settings(stage):
    from blender_addon.methods import costs

    diffusion = stage.impetus.diffusion
    craft, guided = diffusion.motioncraft, diffusion.motion_guidance
    craft.steps, craft.attention, craft.reinvert, craft.guidance = 40, "NONE", False, 1.0
    assert costs.per_frame(diffusion) == 16
    craft.reinvert, craft.inversion_rounds = True, 3
    assert costs.per_frame(diffusion) == 64
    diffusion.method = "MOTION_GUIDANCE"
    guided.steps, guided.recursions, guided.use_hard_warp, guided.hard_warp_start = 50, 2, True, 0.6
    assert costs.per_frame(diffusion) == 120


@pytest.mark.parametrize("kind", ["MOTIONCRAFT", "MOTION_GUIDANCE"])
def test_presets_are_within_what_the_methods_know(stage, kind):
    from blender_addon.methods import presets

    diffusion = stage.impetus.diffusion
    diffusion.method = kind
    untouched = method(stage)
    assert {"Fast", "Paper"} <= set(presets.presets()[kind])
    bpy.ops.impetus.diffusion_preset(name="Fast")
    fast = method(stage)
    assert fast.steps < untouched.steps
    for key, value in presets.presets()[kind]["Fast"].items():
        expected = tuple(value) if isinstance(value, list) else value
        if not isinstance(value, dict):
            assert getattr(fast, key) == pytest.approx(expected), key
    bpy.ops.impetus.diffusion_preset(name="Paper")
    assert method(stage) == untouched


def test_a_preset_with_an_unknown_setting_is_refused(stage, monkeypatch):
    from blender_addon.methods import presets

    monkeypatch.setattr(presets, "presets", lambda: {"MOTIONCRAFT": {"Odd": {"stepz": 4}}})
    with pytest.raises(ValueError, match="'stepz' is not known"):
        presets.apply(stage.impetus.diffusion, "Odd")


def test_keep_where_it_was_makes_an_edit_of_a_moved_object(stage):
    diffusion = stage.impetus.diffusion
    diffusion.method = "MOTION_GUIDANCE"
    diffusion.frame, diffusion.use_frame = 3, True
    cube = bpy.data.objects["Cube"]
    bpy.ops.impetus.select(where="Cube")
    cube.location, cube.impetus.role = (0, 0, 0.5), "STATIC"
    assert bpy.ops.impetus.keep_where_it_was() == {"FINISHED"}
    assert (stage.frame_current, cube.impetus.role) == (10, "KINEMATIC")
    assert stage.tool_settings.use_keyframe_insert_auto
    cube.location = (1, 0, 0.5)
    cube.keyframe_insert("location", frame=10)  # what auto keying does when it is moved
    exported = export(stage)
    (body,) = [each for each in exported.shot.bodies if each.name == "Cube"]
    places = exported.arrays.of(body.poses)[:, :3, 3]
    assert places[2] == pytest.approx([0, 0, 0.5])
    assert places[9] == pytest.approx([1, 0, 0.5])
    assert exported.shot.method.start == m.RenderStart(3)


def test_what_is_simulated_is_not_kept(stage):
    bpy.ops.impetus.select(where="Cube")
    bpy.data.objects["Cube"].impetus.role = "DYNAMIC"
    with pytest.raises(RuntimeError, match="moves by itself"):
        bpy.ops.impetus.keep_where_it_was()
    bpy.ops.object.select_all(action="DESELECT")
    with pytest.raises(RuntimeError, match="Select what is to be moved"):
        bpy.ops.impetus.keep_where_it_was()


def test_settings_live_in_the_file(stage, tmp_path):
    diffusion = stage.impetus.diffusion
    diffusion.prompt, diffusion.motioncraft.motion = "a cube", "SMOKE"
    diffusion.smoke.source.source, diffusion.smoke.source.object = (
        "OBJECT",
        bpy.data.objects["Cube"],
    )
    before = method(stage)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert method(bpy.context.scene) == before
