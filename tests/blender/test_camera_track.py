"""Our cameras against Blender's own projection, over its sensor fits, shifts and aspects."""

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler, Vector

from impetus.backend.cameras.track import (
    intrinsics,
    opencv_pose,
    orthographic_intrinsics,
    project,
)

pytestmark = pytest.mark.blender

CASES = [
    {"fit": "AUTO", "film": (640, 360)},
    {"fit": "AUTO", "film": (360, 640)},
    {"fit": "HORIZONTAL", "film": (360, 640), "shift": (0.1, -0.2)},
    {"fit": "VERTICAL", "film": (640, 360), "shift": (-0.3, 0.15)},
    {"fit": "AUTO", "film": (500, 500), "aspect": (1.0, 2.0)},
    {"fit": "AUTO", "film": (640, 360), "aspect": (2.0, 1.0), "shift": (0.2, 0.1)},
    {"fit": "VERTICAL", "film": (400, 600), "aspect": (1.0, 1.5), "shift": (0.2, 0.1)},
    {"fit": "AUTO", "film": (360, 640), "aspect": (1.5, 1.0), "shift": (0.05, 0.3)},
]
CASES += [case | {"scale": 3.7} for case in CASES]
"With a scale the camera is orthographic."


@pytest.mark.parametrize("case", CASES)
def test_points_land_where_blender_puts_them(case: dict) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    data = bpy.data.cameras.new("Camera")
    data.lens, data.sensor_width, data.sensor_height = 40.0, 36.0, 20.0
    data.sensor_fit = case["fit"]
    parallel = "scale" in case
    if parallel:
        data.type, data.ortho_scale = "ORTHO", case["scale"]
    data.shift_x, data.shift_y = case.get("shift", (0.0, 0.0))
    camera = bpy.data.objects.new("Camera", data)
    camera.location, camera.scale = (1.0, -5.0, 2.0), (1.5, 1.5, 1.5)
    camera.rotation_euler = Euler((1.2, 0.1, 0.3))
    scene.collection.objects.link(camera)
    render = scene.render
    (render.resolution_x, render.resolution_y), (ax, ay) = case["film"], case.get("aspect", (1, 1))
    render.pixel_aspect_x, render.pixel_aspect_y = ax, ay
    bpy.context.view_layer.update()

    about = {"fit": data.sensor_fit, "shift": (data.shift_x, data.shift_y), "pixel_aspect": ay / ax}
    if parallel:
        k = orthographic_intrinsics(data.ortho_scale, case["film"], **about)
    else:
        sensor = (data.sensor_width, data.sensor_height)
        k = intrinsics(data.lens, sensor, case["film"], **about)
    points = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    pose = opencv_pose(np.array(camera.matrix_world))
    pixels, depth = project(points, pose, k, orthographic=parallel)
    for point, pixel, z in zip(points, pixels, depth, strict=True):
        x, y, distance = world_to_camera_view(scene, camera, Vector(point))
        expected = x * case["film"][0], (1 - y) * case["film"][1]
        assert pixel == pytest.approx(expected, abs=2e-3)
        assert z == pytest.approx(distance, rel=1e-5)
