"""The extension in Blender: what it registers, what it says, what it leaves behind."""

import threading

import bpy
import numpy as np
import pytest

pytestmark = pytest.mark.blender


def registered() -> dict[str, object]:
    """Return all that an extension could leave behind."""
    handlers = bpy.app.handlers
    lists = [name for name in dir(handlers) if isinstance(getattr(handlers, name), list)]
    kinds = (bpy.types.Object, bpy.types.Scene, bpy.types.WindowManager)
    return {
        "classes": {name for name in dir(bpy.types) if "impetus" in name.lower()},
        "operators": set(dir(bpy.ops.impetus)) | {n for n in dir(bpy.ops.object) if "impet" in n},
        "properties": {kind.__name__ for kind in kinds if hasattr(kind, "impetus")},
        "handlers": {name: len(getattr(handlers, name)) for name in lists},
        "threads": {thread.name for thread in threading.enumerate()},
        "drawn": len(bpy.types.PHYSICS_PT_add.draw._draw_funcs)
        if hasattr(bpy.types.PHYSICS_PT_add.draw, "_draw_funcs")
        else 1,
    }


def test_unregistering_leaves_nothing():
    import blender_addon
    from blender_addon.jobs import session

    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_addon.register()
    blender_addon.unregister()
    before = registered()
    blender_addon.register()
    assert registered() != before
    assert bpy.app.timers.is_registered(session.tick)
    session.disconnect()  # starts the thread
    assert "impetus-link" in registered()["threads"]
    blender_addon.unregister()
    assert not bpy.app.timers.is_registered(session.tick)
    assert registered() == before


def test_timer_and_handlers_live_through_a_file_load(scene):
    from blender_addon.jobs import session

    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert bpy.app.timers.is_registered(session.tick)
    assert any(each.__name__ == "after_load" for each in bpy.app.handlers.load_post)


def test_presets_are_within_what_physics_knows(scene):
    from blender_addon import materials

    bpy.ops.mesh.primitive_cube_add()
    physics = bpy.context.object.impetus
    assert {"Jelly", "Rubber", "Dry Sand", "Wet Sand", "Water", "Steel", "Ice"} <= set(
        materials.presets()
    )
    for name, values in materials.presets().items():
        bpy.ops.object.impetus_material(name=name)
        assert physics.material == values["law"].upper()
        for key in set(values) - {"law"}:
            assert getattr(physics, key) == pytest.approx(values[key]), (name, key)


def test_physics_is_added_and_removed(scene):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.object.impetus_add(role="STATIC")
    assert cube.impetus.role == "STATIC"
    bpy.ops.object.impetus_remove()
    assert cube.impetus.role == "NONE"
    bpy.ops.object.empty_add()
    with pytest.raises(RuntimeError, match="object with a surface"):
        bpy.ops.object.impetus_add()


def test_every_disabled_button_says_why(scene):
    from blender_addon.jobs import machine

    for operator in ("make_take", "connect"):
        with pytest.raises(RuntimeError, match="Set up the backend first"):
            getattr(bpy.ops.impetus, operator)()
    with pytest.raises(RuntimeError, match=r"online access|from its zip"):
        bpy.ops.impetus.set_up()
    for operator in ("import_take", "show_take"):
        with pytest.raises(RuntimeError, match="no frames yet"):
            getattr(bpy.ops.impetus, operator)()
    for operator in ("open_folder", "remove_take"):
        with pytest.raises(RuntimeError, match="no take yet"):
            getattr(bpy.ops.impetus, operator)()
    with pytest.raises(RuntimeError, match="never sent"):
        bpy.ops.impetus.resume()
    from pathlib import Path

    machine.choose(python=Path("python"))
    try:
        with pytest.raises(RuntimeError, match="No active camera"):
            bpy.ops.impetus.make_take()
    finally:
        machine.choose()


def test_problems_are_found_and_fixed(scene):
    from blender_addon import preflight

    def texts():
        return [(each.where, each.text) for each in preflight.problems(scene)]

    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    assert ("Scene", "No active camera") in texts()
    assert ("Scene", "No object is dynamic yet") in texts()
    for problem in preflight.problems(scene):
        bpy.ops.impetus.fix(where=problem.where, fix=problem.fix)
    assert texts() == []
    cube.hide_render = True
    scene.camera.data.type = "PANO"
    scene.impetus.simulation_start = 99
    for problem in preflight.problems(scene):
        bpy.ops.impetus.fix(where=problem.where, fix=problem.fix)
    assert texts() == []
    cube.impetus.role = "STATIC"
    cube.keyframe_insert("location", frame=1)
    (_, problem) = preflight.problems(scene)
    assert problem.is_warning
    bpy.ops.impetus.fix(where=problem.where, fix=problem.fix)
    assert cube.impetus.role == "KINEMATIC"
    cube.data.clear_geometry()
    assert (cube.name, "The mesh has no faces") in texts()
    scene.frame_end = scene.frame_start
    assert any("fewer than two frames" in text for _, text in texts())


def test_settings_live_in_the_file(scene, tmp_path):
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = "Thing"
    bpy.context.object.impetus.role = "DYNAMIC"
    bpy.context.object.impetus.material = "WATER"
    scene.impetus.resolution = 96
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert bpy.data.objects["Thing"].impetus.material == "WATER"
    assert bpy.context.scene.impetus.resolution == 96


def test_a_shot_that_was_never_sent_is_over_when_its_file_is_opened(scene, tmp_path):
    take = scene.impetus.takes.add()
    take.name, take.key, take.state = "Shot_001", "k", "uploading"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    take = bpy.context.scene.impetus.takes[0]
    assert take.state == "cancelled"
    assert "before the shot was sent" in take.sentence


def test_every_material_has_a_small_picture(scene):
    from blender_addon import materials

    files = {name: materials.picture_file(name) for name in materials.presets()}
    assert [name for name, path in files.items() if not path.is_file()] == []
    assert sum(path.stat().st_size for path in files.values()) < 200_000
    for name, path in files.items():
        image = bpy.data.images.load(str(path))
        pixels = np.empty(72 * 72 * 4, np.float32)
        assert image.size[:] == (72, 72), name
        image.pixels.foreach_get(pixels)
        alpha = pixels.reshape(72, 72, 4)[..., 3]
        assert 0.03 < alpha.mean() < 0.7, name  # something is there, before nothing
        assert alpha[-4:].max() < 0.1, name
        assert materials._pictures[0][name].image_size[:] == (72, 72)
    assert materials.picture("No such material") == 0
