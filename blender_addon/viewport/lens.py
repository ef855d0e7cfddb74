"""Where a 3D view looks from, in the contract's words; numpy alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impetus.backend.cameras.track import opencv_pose

Floats = NDArray[np.float64]

NEAREST, FARTHEST = 1e-4, 1e7
"Metres: what a projection of single precision still tells of its clip planes."


@dataclass(frozen=True)
class Lens:
    """One view.

    `camera_to_world` (4, 4) in OpenCV axes, metres; `intrinsics` (4,) for a picture of `width` x
    `height` pixels, where orthographic in pixels per metre; clip planes in metres.
    """

    camera_to_world: Floats
    intrinsics: Floats
    width: int
    height: int
    near: float
    far: float
    orthographic: bool

    def scaled(self, width: int, height: int) -> "Lens":
        """Return the same view as a picture of another size."""
        ratio = np.array([width / self.width, height / self.height])
        k = np.concatenate([self.intrinsics[:2] * ratio, self.intrinsics[2:] * ratio])
        return Lens(self.camera_to_world, k, width, height, self.near, self.far, self.orthographic)

    @property
    def key(self) -> tuple[float, ...]:
        """All numbers of the view: equal where the view is the same."""
        numbers = (*self.camera_to_world.ravel(), *self.intrinsics, self.near, self.far)
        return (*map(float, numbers), self.width, self.height, self.orthographic)


def lens_of(view: Floats, projection: Floats, size: tuple[int, int], metres: float = 1.0) -> Lens:
    """Return what a view with Blender's matrices sees: world to view, and view to clip space.

    `size` is the region's in pixels, `metres` the length of a Blender unit. An orthographic view
    starts behind its camera; its pose is put back there, so that all that is seen lies ahead.
    """
    width, height = size
    p = np.asarray(projection, np.float64)
    pose = opencv_pose(np.linalg.inv(np.asarray(view, np.float64)))
    half = np.array([width, height]) / 2
    orthographic = bool(p[3, 3] == 1)
    focal = np.array([p[0, 0], p[1, 1]]) * half
    if orthographic:
        center = (1 + np.array([p[0, 3], -p[1, 3]])) * half
        near, far = (p[2, 3] + 1) / p[2, 2], (p[2, 3] - 1) / p[2, 2]
        back = NEAREST / metres - near
        pose[:3, 3] -= back * pose[:3, 2]
        near, far, focal = near + back, far + back, focal / metres
    else:
        center = (1 + np.array([-p[0, 2], p[1, 2]])) * half
        near, far = p[2, 3] / (p[2, 2] - 1), p[2, 3] / (p[2, 2] + 1)
    pose[:3, 3] *= metres
    near = max(float(near) * metres, NEAREST)
    far = min(float(far) * metres, FARTHEST) if far > 0 else FARTHEST
    return Lens(
        pose, np.concatenate([focal, center]), width, height, near, max(far, 2 * near), orthographic
    )


def clip_from_local(lens: Lens, view: Floats, projection: Floats, metres: float = 1.0) -> Floats:
    """Return the matrix (4, 4) from a lens's own space [m] to the clip space of a view."""
    world = lens.camera_to_world.copy()
    world[:3] /= metres
    return np.asarray(projection, np.float64) @ np.asarray(view, np.float64) @ world
