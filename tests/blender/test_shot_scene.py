"""Scenes around their export: as they were afterwards, and refused with a sentence if need be."""

import math
from typing import get_args

import bpy
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract.errors import ShotError

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


def key(owner, path, **values):
    for frame, value in values.items():
        setattr(owner, path, value)
        owner.keyframe_insert(path, frame=int(frame[1:]))


@pytest.mark.parametrize("law", get_args(materials.Material), ids=lambda law: law.__name__)
def test_every_law_is_exported_with_all_of_its_numbers(scene, law):
    add_camera(scene)
    physics = add_cube(scene, role="DYNAMIC").impetus
    physics.material = law.__struct_config__.tag.upper()
    wanted = law()
    for name in law.__struct_fields__:
        setattr(physics, name, getattr(wanted, name))
    found = next(b for b in export(scene).shot.bodies if b.name == "Cube").material
    assert type(found) is law
    for name in law.__struct_fields__:
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-5), name


def test_the_scene_is_unchanged(scene):
    camera = add_camera(scene)
    cube = add_cube(scene, role="KINEMATIC")
    key(cube, "location", f1=(0, 0, 0), f10=(9, 0, 0))
    key(camera.data, "lens", f1=35.0, f10=70.0)
    other = add_camera(scene)
    scene.camera = camera
    marker = scene.timeline_markers.new("Cut", frame=5)
    marker.camera = other
    scene.frame_set(3, subframe=0.25)
    scene.camera = camera  # chosen by hand: the marker would give the other one
    cube.location = (5, 5, 5)  # posed, not keyed
    camera.data.lens = 44
    before = (len(bpy.data.meshes), len(bpy.data.objects), scene.camera)
    export(scene)
    assert (scene.frame_current, scene.frame_subframe) == (3, 0.25)
    assert cube.location[:] == (5, 5, 5)
    assert camera.data.lens == 44
    assert (len(bpy.data.meshes), len(bpy.data.objects), scene.camera) == before


def test_the_same_scene_is_the_same_shot(scene):
    add_camera(scene)
    add_cube(scene, role="DYNAMIC").modifiers.new("Subdivision", "SUBSURF")
    assert export(scene).shot == export(scene).shot


def no_camera(scene):
    scene.camera = None


def panorama(scene):
    scene.camera.data.type = "PANO"


def not_a_number(scene):
    bpy.data.objects["Cube"].location.x = math.nan


def no_faces(scene):
    bpy.data.objects["Cube"].data.clear_geometry()


def one_frame(scene):
    scene.frame_end = scene.frame_start


def late_start(scene):
    scene.impetus.simulation_start = 11


def animated_scale(scene):
    cube = bpy.data.objects["Cube"]
    cube.impetus.role = "SMOKE"
    key(cube, "scale", f1=(1, 1, 1), f10=(2, 2, 2))


def mirrored_on_the_way(scene):
    cube = bpy.data.objects["Cube"]
    cube.impetus.role = "KINEMATIC"
    key(cube, "scale", f1=(1, 1, 1), f10=(-1, 1, 1))


def other_faces(scene):
    """Half of the cube is built at first, all of it at the end."""
    cube = bpy.data.objects["Cube"]
    cube.impetus.role = "KINEMATIC"
    build = cube.modifiers.new("Build", "BUILD")
    build.frame_start, build.frame_duration = -8, 16


def no_scale(scene):
    bpy.data.objects["Cube"].scale = (0, 0, 1)


def flat_domain(scene):
    scene.impetus.domain = add_cube(scene, "Domain")
    scene.impetus.domain.scale.z = 0


@pytest.mark.parametrize(
    ("spoil", "where", "words"),
    [
        (no_camera, "Camera", "active camera at frame 1, got none"),
        (panorama, "Camera", "perspective or orthographic camera, got Pano"),
        (not_a_number, "Cube", "finite numbers, got nan"),
        (no_faces, "Cube", "mesh with faces"),
        (one_frame, "Frame range", "at least 2 frames"),
        (late_start, "Simulation start", "frame up to 10, got 11"),
        (animated_scale, "Cube", "same scale and shear in every frame, got a change of 100"),
        (mirrored_on_the_way, "Cube", "keeps its sign"),
        (other_faces, "Cube", "same faces in every frame, got others at frame"),
        (no_scale, "Cube", "scale above zero"),
        (flat_domain, "Domain", "domain with a size, got 2 x 2 x 0 m"),
    ],
)
def test_bad_scenes_get_a_sentence(scene, spoil, where, words):
    add_camera(scene)
    add_cube(scene, role="DYNAMIC")
    spoil(scene)
    frame = scene.frame_current
    with pytest.raises(ShotError) as caught:
        export(scene)
    assert where in caught.value.where
    assert words in caught.value.sentence
    assert caught.value.remedy
    assert scene.frame_current == frame


def test_the_backdrop_is_what_the_image_shows(scene):
    add_camera(scene)
    add_cube(scene)
    image = bpy.data.images.new("Sky", 2, 2)
    image.pixels = [
        *(1, 0, 0, 1),
        *(0, 1, 0, 1),
        *(0, 0, 1, 1),
        *(1, 1, 1, 0.5),
    ]
    scene.impetus.backdrop = image
    exported = export(scene)
    shown = exported.arrays.of(exported.shot.world.background_image)
    assert shown.tolist() == [
        [[0, 0, 255, 255], [255, 255, 255, 128]],
        [[255, 0, 0, 255], [0, 255, 0, 255]],
    ]


def test_a_backdrop_that_cannot_be_read_is_named(scene):
    add_camera(scene)
    add_cube(scene)
    image = bpy.data.images.new("Sky", 2, 2)
    image.source, image.filepath = "FILE", "//nowhere.png"
    image.reload()
    scene.impetus.backdrop = image
    with pytest.raises(ShotError, match=r"Sky: expected a backdrop.*Reload it"):
        export(scene)
