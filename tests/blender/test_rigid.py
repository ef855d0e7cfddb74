"""Rigid objects: set in Blender, in the shot as they were set."""

import bpy
import pytest

from impetus.backend.contract import materials

pytestmark = pytest.mark.blender


def test_a_rigid_object_carries_its_friction_and_bounciness(scene):
    from blender_addon.shot_export import export_shot

    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.impetus_material(name="Stone")
    physics = bpy.context.object.impetus
    physics.role, physics.friction, physics.restitution = "DYNAMIC", 0.75, 0.25
    (found,) = export_shot(scene).shot.bodies
    assert found.material == materials.Rigid(2700.0, 0.75, 0.25)
    assert found.contact is None


def test_objects_of_a_collection_stick_to_the_one_that_names_it(scene):
    from blender_addon.shot_export import export_shot

    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    things = []
    for x, name in enumerate(("Ham", "Bread", "Jar")):
        bpy.ops.mesh.primitive_cube_add(location=(3 * x, 0, 1))
        bpy.context.object.name = name
        things.append(bpy.context.object)
        things[-1].impetus.role, things[-1].impetus.friction = "DYNAMIC", 0.6
    things[2].impetus.material = "WATER"
    glue = bpy.data.collections.new("Glue")
    glue.objects.link(things[1])
    things[0].impetus.sticks_to = glue
    bodies = {body.name: body for body in export_shot(scene).shot.bodies}
    assert bodies["Ham"].sticks_to == ("Bread",)
    assert bodies["Bread"].sticks_to == ()
    assert bodies["Bread"].material.friction == pytest.approx(0.6)
    assert bodies["Jar"].material.friction == 0.0
