"""Blender scenes as shots: known values in, the same values out, the scene untouched."""

import math

import bpy
import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as contract

pytestmark = pytest.mark.blender


def export(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


def add_camera(scene, location=(0.0, -6.0, 1.0)):
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = location, (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


def add_cube(scene, name="Cube", role="NONE", size=2.0):
    bpy.ops.mesh.primitive_cube_add(size=size)
    cube = bpy.context.object
    cube.name = name
    cube.impetus.role = role
    return cube


def body(exported, name):
    return next(each for each in exported.shot.bodies if each.name == name)


def world_vertices(exported, name, frame=0):
    found = body(exported, name)
    vertices = exported.arrays.of(found.mesh.vertices)
    pose = exported.arrays.of(found.poses)[frame]
    return vertices @ pose[:3, :3].T + pose[:3, 3]


def blender_vertices(ob):
    return np.array([ob.matrix_world @ v.co for v in ob.data.vertices])


def signed_volume(exported, name):
    found = body(exported, name)
    a, b, c = exported.arrays.of(found.mesh.vertices)[
        exported.arrays.of(found.mesh.triangles)
    ].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def material(name, **inputs):
    made = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    for key, value in inputs.items():
        shader.inputs[key.replace("_", " ")].default_value = value
    return made, shader


def key(owner, path, **values):
    for frame, value in values.items():
        setattr(owner, path, value)
        owner.keyframe_insert(path, frame=int(frame[1:]))


# --- geometry and movement


def test_a_dynamic_body_carries_its_material_and_start(scene):
    add_camera(scene)
    cube = add_cube(scene, role="DYNAMIC")
    cube.location, cube.rotation_euler, cube.scale = (1, 2, 3), (0.3, 0.2, 0.1), (1, 2, 0.5)
    physics = cube.impetus
    physics.material, physics.density, physics.cohesion = "SAND", 1700, 12
    physics.velocity, physics.angular_velocity = (1, 2, 3), (0, 0, 4)
    physics.use_inner_color, physics.inner_color = True, (0.5, 0.25, 0.125)
    exported = export(scene)
    found = body(exported, "Cube")
    assert found.role == "dynamic"
    assert isinstance(found.material, materials.Sand)
    assert (found.material.density, found.material.cohesion) == (1700, 12)
    assert found.velocity == (1, 2, 3)
    assert found.angular_velocity == (0, 0, 4)
    assert found.looks.inner_color == (0.5, 0.25, 0.125)
    assert found.contact is None
    np.testing.assert_allclose(world_vertices(exported, "Cube"), blender_vertices(cube), atol=1e-5)


@pytest.mark.parametrize("scale", [(1, 1, 1), (-1, 1, 1), (-2, -1, 0.5), (-1, -1, -1)])
def test_mirrored_objects_keep_their_outside_outside(scene, scale):
    add_camera(scene)
    cube = add_cube(scene, role="DYNAMIC")
    cube.scale, cube.rotation_euler = scale, (0.4, 0, 0.2)
    exported = export(scene)
    assert signed_volume(exported, "Cube") == pytest.approx(8 * abs(math.prod(scale)), rel=1e-5)
    np.testing.assert_allclose(world_vertices(exported, "Cube"), blender_vertices(cube), atol=1e-5)
    mesh = body(exported, "Cube").mesh
    corners = exported.arrays.of(mesh.vertices)[exported.arrays.of(mesh.triangles)]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = exported.arrays.of(mesh.normals)
    assert ((normals * outward[:, None]).sum(-1) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)


def test_modifiers_count(scene):
    add_camera(scene)
    cube = add_cube(scene, role="STATIC")
    cube.modifiers.new("Subdivision", "SUBSURF").levels = 2
    found = body(export(scene), "Cube")
    assert found.mesh.triangles.shape == (6 * 16 * 2, 3)
    assert found.contact == contract.Contact("separate", pytest.approx(0.3))


def test_animation_makes_a_track(scene):
    add_camera(scene)
    parent = bpy.data.objects.new("Parent", None)
    scene.collection.objects.link(parent)
    cube = add_cube(scene, role="KINEMATIC")
    cube.parent, cube.scale = parent, (2, 2, 2)
    key(parent, "location", f1=(0, 0, 0), f10=(9, 0, 0))
    key(parent, "rotation_euler", f1=(0, 0, 0), f10=(0, 0, 1))
    exported = export(scene)
    poses = exported.arrays.of(body(exported, "Cube").poses)
    assert poses.shape == (10, 4, 4)
    for row, frame in enumerate(range(1, 11)):
        scene.frame_set(frame)
        moved = world_vertices(exported, "Cube", row)
        np.testing.assert_allclose(moved, blender_vertices(cube), atol=1e-5)


def test_an_object_without_physics_is_only_seen(scene):
    add_camera(scene)
    still, moving = add_cube(scene, "Still"), add_cube(scene, "Moving")
    key(moving, "location", f1=(0, 0, 0), f10=(9, 0, 0))
    assert still.impetus.role == "NONE"
    exported = export(scene)
    assert (body(exported, "Still").role, body(exported, "Still").contact) == ("static", None)
    assert body(exported, "Moving").role == "kinematic"


def test_a_static_body_that_moves_is_told(scene):
    add_camera(scene)
    key(add_cube(scene, role="STATIC"), "location", f1=(0, 0, 0), f10=(9, 0, 0))
    exported = export(scene)
    assert any("static but moves" in text for text in exported.warnings)
    assert body(exported, "Cube").poses.shape == (1, 4, 4)


def test_collection_instances_are_bodies_of_their_own(scene):
    add_camera(scene)
    parts = bpy.data.collections.new("Parts")
    cube = add_cube(scene)
    scene.collection.objects.unlink(cube)
    parts.objects.link(cube)
    for index in range(2):
        holder = bpy.data.objects.new(f"Holder {index}", None)
        holder.instance_type, holder.instance_collection = "COLLECTION", parts
        holder.location = (4 * index, 0, 0)
        scene.collection.objects.link(holder)
    exported = export(scene)
    assert [each.name for each in exported.shot.bodies] == ["Cube", "Cube #2"]
    first, second = exported.shot.bodies
    assert first.mesh == second.mesh
    assert exported.arrays.of(second.poses)[0, 0, 3] == 4


def test_what_only_the_window_hides_is_exported_and_stays_hidden(scene):
    add_camera(scene)
    add_cube(scene, "Eye").hide_set(True)
    add_cube(scene, "Screen").hide_viewport = True
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    group = bpy.data.collections.new("Lamps")
    group.objects.link(lamp)
    scene.collection.children.link(group)
    node = bpy.context.view_layer.layer_collection.children["Lamps"]
    node.hide_viewport = True
    exported = export(scene)
    assert {each.name for each in exported.shot.bodies} >= {"Eye", "Screen"}
    assert len(exported.shot.lights) == 1
    assert node.hide_viewport
    assert bpy.data.objects["Screen"].hide_viewport
    assert bpy.data.objects["Eye"].hide_get()


def test_what_the_render_hides_is_left_out(scene):
    add_camera(scene)
    add_cube(scene, "Seen")
    add_cube(scene, "Hidden").hide_render = True
    add_cube(scene, "Physical", role="STATIC").hide_render = True
    away = bpy.data.collections.new("Away")
    away.hide_render = True
    scene.collection.children.link(away)
    inside = add_cube(scene, "Inside")
    scene.collection.objects.unlink(inside)
    away.objects.link(inside)
    exported = export(scene)
    assert [each.name for each in exported.shot.bodies] == ["Seen"]
    assert any("Physical" in text and "hidden" in text for text in exported.warnings)


def test_units_are_metres(scene):
    scene.unit_settings.scale_length = 0.01
    add_camera(scene, (0, -600, 100))
    add_cube(scene, role="DYNAMIC", size=200).location = (100, 0, 0)
    bpy.ops.object.light_add(type="POINT")
    bpy.context.object.data.energy = 1000
    exported = export(scene)
    vertices = world_vertices(exported, "Cube")
    np.testing.assert_allclose(vertices.min(0), [0, -1, -1], atol=1e-5)
    np.testing.assert_allclose(vertices.max(0), [2, 1, 1], atol=1e-5)
    pose = exported.arrays.of(exported.shot.camera.camera_to_world)[0]
    np.testing.assert_allclose(pose[:3, 3], [0, -6, 1], atol=1e-5)
    assert exported.shot.lights[0].power == pytest.approx(0.1)
    np.testing.assert_allclose(exported.arrays.of(exported.shot.gravity)[0, 2], -0.0981, rtol=1e-5)


def test_the_simulation_may_start_before_the_range(scene):
    add_camera(scene)
    scene.frame_start, scene.impetus.simulation_start = 5, 2
    cube = add_cube(scene, role="KINEMATIC")
    key(cube, "location", f2=(2, 0, 0), f10=(10, 0, 0))
    exported = export(scene)
    assert exported.shot.frames.tracked == range(2, 11)
    assert exported.arrays.of(body(exported, "Cube").poses).shape[0] == 9
    assert exported.arrays.of(exported.shot.camera.camera_to_world).shape[0] == 6


# --- looks


def test_principled_values_and_slots(scene):
    add_camera(scene)
    cube = add_cube(scene)
    red, _ = material("Red", Base_Color=(1, 0, 0, 1), Roughness=0.2, Metallic=0.7, Alpha=0.5)
    glow, _ = material("Glow", Emission_Color=(0, 1, 0, 1), Emission_Strength=3.0)
    cube.data.materials.append(red)
    cube.data.materials.append(glow)
    cube.data.polygons[0].material_index = 1
    exported = export(scene)
    looks = body(exported, "Cube").looks
    first, second = looks.surfaces
    assert first.base_color == (1, 0, 0)
    assert (first.roughness, first.metallic, first.alpha) == pytest.approx((0.2, 0.7, 0.5))
    assert second.emission == (0, 3, 0)
    assert exported.arrays.of(looks.surface_index).sum() == 2


def test_an_image_comes_upright_with_its_uv(scene):
    add_camera(scene)
    bpy.ops.mesh.primitive_plane_add(size=2)
    plane = bpy.context.object
    image = bpy.data.images.new("Picture", 4, 2)
    pixels = np.zeros((2, 4, 4), np.float32)
    pixels[1, :, 0], pixels[..., 3] = 1.0, 1.0  # Blender's last row is the top
    image.pixels.foreach_set(pixels.ravel())
    made, shader = material("Textured")
    texture = made.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    made.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    plane.data.materials.append(made)
    exported = export(scene)
    looks = body(exported, "Plane").looks
    stored = exported.arrays.of(looks.surfaces[0].image)
    assert stored.dtype == np.uint8
    assert stored[0, :, 0].tolist() == [255] * 4
    assert stored[1, :, 0].tolist() == [0] * 4
    uv = exported.arrays.of(looks.uv)
    corners = exported.arrays.of(body(exported, "Plane").mesh.vertices)[
        exported.arrays.of(body(exported, "Plane").mesh.triangles)
    ]
    np.testing.assert_allclose(uv, corners[..., :2] / 2 + 0.5, atol=1e-6)


@pytest.mark.parametrize(("domain", "kind"), [("POINT", "FLOAT_COLOR"), ("CORNER", "BYTE_COLOR")])
def test_vertex_colors_replace_the_base_color(scene, domain, kind):
    add_camera(scene)
    cube = add_cube(scene)
    layer = cube.data.color_attributes.new("Paint", kind, domain)
    for item in layer.data:
        item.color = (0.25, 0.5, 1.0, 1.0)
    made, shader = material("Painted")
    node = made.node_tree.nodes.new("ShaderNodeVertexColor")
    node.layer_name = "Paint"
    made.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    cube.data.materials.append(made)
    exported = export(scene)
    looks = body(exported, "Cube").looks
    colors = exported.arrays.of(looks.colors)
    assert not looks.lit
    np.testing.assert_allclose(colors.reshape(-1, 4).mean(0), [0.25, 0.5, 1, 1], atol=0.01)


# --- surroundings


def test_lights_in_watts_and_metres(scene):
    add_camera(scene)
    for kind in ("SUN", "POINT", "SPOT", "AREA"):
        bpy.ops.object.light_add(type=kind, location=(1, 2, 3))
        bpy.context.object.name = kind
        bpy.context.object.data.energy = 7.0
    bpy.data.objects["SUN"].data.angle = 0.02
    bpy.data.objects["POINT"].data.shadow_soft_size = 0.3
    spot = bpy.data.objects["SPOT"].data
    spot.spot_size, spot.spot_blend, spot.color = 0.9, 0.4, (1, 0.5, 0.25)
    area = bpy.data.objects["AREA"].data
    area.shape, area.size, area.size_y = "RECTANGLE", 4, 1
    add_cube(scene)
    lights = {light.name: light for light in export(scene).shot.lights}
    assert {light.kind for light in lights.values()} == {"sun", "point", "spot", "area"}
    assert all(light.power == 7.0 for light in lights.values())
    assert lights["SUN"].size == pytest.approx(0.02)
    assert lights["POINT"].size == pytest.approx(0.3)
    assert (lights["SPOT"].spot_angle, lights["SPOT"].spot_blend) == pytest.approx((0.9, 0.4))
    assert lights["SPOT"].color == (1, 0.5, 0.25)
    assert lights["AREA"].size == pytest.approx(2.0)


def test_world_ground_domain_and_gravity(scene):
    add_camera(scene)
    world = scene.world = bpy.data.worlds.new("World")
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (0.1, 0.2, 0.4, 1)
    background.inputs["Strength"].default_value = 2.0
    settings = scene.impetus
    settings.use_ground, settings.ground_height, settings.ground_boundary = True, -1.5, "STICK"
    settings.domain = add_cube(scene, "Domain", size=4)
    settings.domain.location = (0, 0, 1)
    settings.walls, settings.resolution, settings.seed = "OPEN", 48, 5
    settings.leaving = "GROW"
    add_cube(scene, "Thing", role="DYNAMIC")
    key(scene, "gravity", f1=(0, 0, -10), f10=(0, 0, 0))
    scene.render.film_transparent = True
    exported = export(scene)
    shot = exported.shot
    assert shot.world.background == pytest.approx((0.2, 0.4, 0.8))
    assert shot.world.transparent
    assert shot.world.ground == contract.Ground(-1.5, contract.Contact("stick", 0.5))
    assert shot.simulation.domain == contract.Box((-2, -2, -1), (2, 2, 3))
    assert (shot.simulation.walls, shot.simulation.resolution, shot.seed) == ("open", 48, 5)
    assert shot.simulation.leaving == "grow"
    assert [each.name for each in shot.bodies] == ["Thing"]
    gravity = exported.arrays.of(shot.gravity)
    assert gravity[0, 2] == -10
    assert gravity[-1, 2] == 0
    scene.use_gravity = False
    exported = export(scene)
    assert not exported.arrays.of(exported.shot.gravity).any()


def test_wind_is_sampled_and_what_is_no_field_of_ours_is_told(scene):
    add_camera(scene)
    add_cube(scene, role="DYNAMIC")
    bpy.ops.object.effector_add(type="WIND", rotation=(0, math.pi / 2, 0))
    wind = bpy.context.object
    wind.field.flow = 0.25
    for frame, strength in ((1, 2.0), (10, 20.0)):
        wind.field.strength = strength
        wind.keyframe_insert("field.strength", frame=frame)
    bpy.ops.object.effector_add(type="CHARGE")
    exported = export(scene)
    (found,) = exported.shot.forces
    strength = exported.arrays.of(found.strength)
    assert (strength[0], strength[-1], found.flow) == (2, 20, 0.25)
    np.testing.assert_allclose(exported.arrays.of(found.poses)[0, :3, 2], [1, 0, 0], atol=1e-6)
    assert any("Charge" in text and "not simulated" in text for text in exported.warnings)
