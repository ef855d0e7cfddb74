"""The camera and its film as a shot holds them: lens, shift, clipping, what is rendered of it."""

from dataclasses import dataclass, field

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.cameras.track import intrinsics, opencv_pose, orthographic_intrinsics
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import Blur, CameraTrack, Film

from .transforms import require_finite_matrices

Floats = NDArray[np.float64]
SEEN_BY = frozenset({"PERSP", "ORTHO"})
"Types of cameras that can be rendered."


@dataclass
class CameraSamples:
    """The active camera in each frame that is shown."""

    film: Film
    pixel_aspect: float
    metres: float
    matrices: list[Floats] = field(default_factory=list)
    intrinsics: list[Floats] = field(default_factory=list)
    orthographic: list[bool] = field(default_factory=list)
    clip: list[tuple[float, float]] = field(default_factory=list)
    openings: list[tuple[float, float]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    camera: bpy.types.Object | None = None

    def add(self, frame: int, scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
        """Sample this frame. Raises ShotError for no camera, and for one of another type."""
        camera = scene.camera
        if camera is None or camera.type != "CAMERA":
            raise ShotError(
                "Camera", f"expected an active camera at frame {frame}, got none.", "Add a camera."
            )
        evaluated = camera.evaluated_get(depsgraph)
        lens = evaluated.data
        if lens.type not in SEEN_BY:
            raise ShotError(
                camera.name,
                f"expected a perspective or orthographic camera, got {lens.type.title()}.",
                "Set its lens type to Perspective.",
            )
        parallel = lens.type == "ORTHO"
        k = lens_intrinsics(lens, self.film, self.pixel_aspect)
        # An orthographic lens counts pixels per Blender unit.
        self.intrinsics.append(k / (self.metres, self.metres, 1, 1) if parallel else k)
        self.orthographic.append(parallel)
        self.matrices.append(np.array(evaluated.matrix_world, np.float64))
        self.clip.append((lens.clip_start * self.metres, lens.clip_end * self.metres))
        radius, focus = lens_opening(evaluated, depsgraph)
        self.openings.append((radius * self.metres, focus * self.metres))
        if self.camera not in (None, camera):
            self.cuts.append(frame)
        self.camera = camera

    def track(self, arrays: ArraySet) -> CameraTrack:
        """Return the samples as the shot's camera."""
        matrices = np.stack(self.matrices)
        name = self.camera.name if self.camera else "Camera"
        require_finite_matrices(name, matrices)
        if not np.linalg.norm(matrices[:, :3, :3], axis=1).all():
            raise ShotError(
                name, "expected a scale above zero, got zero.", "Clear its scale (Alt S)."
            )
        poses = opencv_pose(matrices)
        poses[:, :3, 3] *= self.metres
        parallel = np.array(self.orthographic, np.uint8)
        changes = any(clip != self.clip[0] for clip in self.clip)
        return CameraTrack(
            camera_to_world=arrays.add(poses),
            intrinsics=arrays.add(np.stack(self.intrinsics)),
            clip_start=self.clip[0][0],
            clip_end=self.clip[0][1],
            clip=arrays.add(np.array(self.clip, np.float64)) if changes else None,
            orthographic=arrays.add(parallel) if parallel.any() else None,
            cuts=tuple(self.cuts),
        )

    def blur(self, scene: bpy.types.Scene, arrays: ArraySet) -> Blur | None:
        """Return what blurs the picture, of what is ticked; the lens is that of the last camera."""
        settings, render = scene.impetus, scene.render
        shutter = (0.0, 0.0)
        if settings.use_motion_blur and render.use_motion_blur:
            shutter = _shutter(render)
        opening = np.array(self.openings, np.float64)
        lens, dof = None, self.camera.data.dof if self.camera else None
        if settings.use_depth_of_field and dof is not None and opening[:, 0].any():
            lens = arrays.add(opening)
        if lens is None and shutter[0] == shutter[1]:
            return None
        shape = {} if lens is None or dof is None else {
            "blades": dof.aperture_blades, "rotation": dof.aperture_rotation,
            "ratio": dof.aperture_ratio,
        }  # fmt: skip
        return Blur(samples=settings.blur_samples, shutter=shutter, lens=lens, **shape)


def lens_opening(
    evaluated: bpy.types.Object, depsgraph: bpy.types.Depsgraph
) -> tuple[float, float]:
    """Return the radius of an evaluated camera's lens, 0 for a pinhole, and how far it is sharp.

    Both in Blender units, as Cycles takes them: the lens's millimetres count as thousandths.
    """
    lens = evaluated.data
    dof = lens.dof
    focus = dof.focus_distance
    if dof.focus_object is not None:
        place = dof.focus_object.evaluated_get(depsgraph).matrix_world
        bone = getattr(dof.focus_object.pose, "bones", {}).get(dof.focus_subtarget)
        place = place @ bone.matrix if bone else place
        ahead = evaluated.matrix_world.to_3x3().col[2].normalized()
        focus = abs(ahead.dot(evaluated.matrix_world.translation - place.translation))
    if not dof.use_dof:
        return 0.0, max(focus, 1e-5)
    across = 1.0 if lens.type == "ORTHO" else 1e-3 * lens.lens
    return across / (2 * max(dof.aperture_fstop, 1e-5)), max(focus, 1e-5)


def _shutter(render: bpy.types.RenderSettings) -> tuple[float, float]:
    """Return when the shutter opens and closes, in frames from the frame's own time."""
    length = render.motion_blur_shutter
    match getattr(render, "motion_blur_position", "CENTER"):
        case "START":
            return 0.0, min(length, 1.0)
        case "END":
            return -min(length, 1.0), 0.0
        case _:
            half = min(length / 2, 1.0)
            return -half, half


def film(render: bpy.types.RenderSettings) -> Film:
    """Return the output's pixels as Blender rounds them, and what of them the render region shows.

    A region that crops is a film of its own, cut out of the whole one.
    """
    width = max(render.resolution_x * render.resolution_percentage // 100, 1)
    height = max(render.resolution_y * render.resolution_percentage // 100, 1)
    if not render.use_border:
        return Film(width, height)
    # Blender multiplies in single precision and cuts off, its y upwards.
    left, right, bottom, top = (
        min(max(int(np.float32(share) * np.float32(size)), 0), size)
        for share, size in (
            (render.border_min_x, width), (render.border_max_x, width),
            (render.border_min_y, height), (render.border_max_y, height),
        )
    )  # fmt: skip
    if right <= left or top <= bottom:
        return Film(width, height)
    region = (left, height - top, right, height - bottom)
    if not render.use_crop_to_border:
        return Film(width, height, region=region)
    return Film(right - left, top - bottom, whole=(left, height - top, width, height))


def lens_intrinsics(lens: bpy.types.Camera, film: Film, pixel_aspect: float) -> Floats:
    """Return fx, fy, cx, cy in pixels of the film; `pixel_aspect` is that of y over x.

    Of an orthographic camera fx and fy are pixels per Blender unit.
    """
    left, top, width, height = film.whole or (0, 0, film.width, film.height)
    about = {
        "fit": lens.sensor_fit, "shift": (lens.shift_x, lens.shift_y), "pixel_aspect": pixel_aspect,
    }  # fmt: skip
    if lens.type == "ORTHO":
        k = orthographic_intrinsics(lens.ortho_scale, (width, height), **about)
    else:
        sensor = (lens.sensor_width, lens.sensor_height)
        k = intrinsics(lens.lens, sensor, (width, height), **about)
    return k - (0, 0, left, top)
