"""Between the world and the film: where a point is seen, and where in the world a pixel lies."""

from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.cameras.track import opencv_pose, project
from impetus.backend.contract.shot import Film

from ..camera import SEEN_BY, film, lens_intrinsics

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """A plane in front of a camera, parallel to its film. Lengths in Blender units.

    Pixels are those of the film, x right, y down, from its top left edge.
    """

    pose: Floats
    "(4, 4) camera to world, OpenCV axes."
    intrinsics: Floats
    "fx, fy, cx, cy; fx and fy in pixels per unit where rays are parallel."
    film: Film
    depth: float
    "Distance along the camera's axis."
    orthographic: bool = False

    def pixels(self, points: Floats) -> Floats:
        """Return where the camera sees world points (n, 3), as (n, 2); NaN from behind it."""
        seen, depth = project(points, self.pose, self.intrinsics, orthographic=self.orthographic)
        return np.where(depth[:, None] > 0, seen, np.nan)

    def world(self, pixels: Floats) -> Floats:
        """Return the points of the plane that are seen at pixels (n, 2), as (n, 3)."""
        starts, rays = self.rays(pixels)
        return starts + rays * self.depth

    def rays(self, pixels: Floats) -> tuple[Floats, Floats]:
        """Return where the rays through pixels (n, 2) start, and their ways: 1 along the axis."""
        local = np.zeros((2, len(pixels), 3))
        local[1, :, 2] = 1
        aside = (np.asarray(pixels) - self.intrinsics[2:]) / self.intrinsics[:2]
        local[0 if self.orthographic else 1, :, :2] = aside
        starts, ways = local @ self.pose[:3, :3].T
        return starts + self.pose[:3, 3], ways

    @property
    def width(self) -> float:
        """Width of what the camera sees of the plane."""
        across = self.film.width / float(self.intrinsics[0])
        return across if self.orthographic else self.depth * across


def plane_of(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> Plane | None:
    """Return the plane of the active camera's drawn frame, as of now; None without such a camera.

    The frame that Blender draws for a camera lies on it, unless that is too near to be seen.
    """
    camera = scene.camera
    if camera is None or camera.type != "CAMERA" or camera.data.type not in SEEN_BY:
        return None
    evaluated = camera.evaluated_get(depsgraph)
    lens, render = evaluated.data, scene.render
    size = film(render)
    matrix = np.array(evaluated.matrix_world, np.float64)
    scale = float(np.linalg.norm(matrix[:3, 2]))
    drawn = -lens.view_frame(scene=scene)[0].z * scale
    return Plane(
        opencv_pose(matrix),
        lens_intrinsics(lens, size, render.pixel_aspect_y / render.pixel_aspect_x),
        size,
        max(drawn, 1.1 * lens.clip_start),
        lens.type == "ORTHO",
    )
