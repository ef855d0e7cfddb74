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
