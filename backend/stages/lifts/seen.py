"""The camera that a picture was seen from, in the space of the body that is made of it.

Body space is Blender's when an object stands before its front view: x to the right, z up, and y
away from the camera; its origin lies in the middle of what is seen of the object.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....kernels.splats.project import View

Doubles = NDArray[np.float64]

SENSOR = 36.0
"Millimetres of film that lens lengths are told for, as Blender's cameras have them."
TO_BODY = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"Turns camera axes (x right, y down, z forward) into the body's."


@dataclass(frozen=True)
class Seen:
    """A pinhole camera and where it sees an object.

    `focal` and `centre` (x, y) in pixels of a picture of `size` (width, height). `distance` [m]
    along the axis is that of the object's silhouette; its origin lies at the pixel `middle` (x, y),
    `origin` metres along the axis.
    """

    size: tuple[int, int]
    focal: float
    centre: tuple[float, float]
    middle: tuple[float, float]
    distance: float
    origin: float

    @property
    def metres_per_pixel(self) -> float:
        """At the silhouette."""
        return self.distance / self.focal

    @property
    def camera_to_body(self) -> Doubles:
        """(4, 4), OpenCV axes."""
        pose = np.eye(4)
        pose[:3, :3] = TO_BODY
        pose[:3, 3] = -TO_BODY @ self._origin()
        return pose

    @property
    def intrinsics(self) -> Doubles:
        """Fx, fy, cx, cy in pixels."""
        return np.array([self.focal, self.focal, *self.centre])

    def view(self) -> View:
        """Return the camera as the kernels read it."""
        return View(self.camera_to_body, self.intrinsics, *self.size,
                    0.01 * self.distance, 100.0 * self.distance)  # fmt: skip

    def turned(self, degrees: float, pivot: Doubles) -> View:
        """Return the camera turned about the vertical axis through `pivot` (3,), body space."""
        angle = np.radians(degrees)
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        turn[:3, 3] = pivot - turn[:3, :3] @ pivot
        view = self.view()
        return replace(view, camera_to_world=turn @ view.camera_to_world)

    def to_body(self, x: Doubles, y: Doubles, z: Doubles) -> Doubles:
        """Return body points (…, 3) of pixels x, y at z metres along the camera's axis."""
        across, down = (x - self.centre[0]) / self.focal, (y - self.centre[1]) / self.focal
        local = np.stack([across * z, down * z, z], axis=-1)
        return np.asarray((local - self._origin()) @ TO_BODY.T, np.float64)

    def to_picture(self, points: NDArray[np.floating]) -> tuple[Doubles, Doubles]:
        """Return pixels (…, 2) and metres along the axis (…,) of body points (…, 3)."""
        local = np.asarray(points, np.float64) @ TO_BODY + self._origin()
        z = local[..., 2]
        return local[..., :2] / z[..., None] * self.focal + np.asarray(self.centre), z

    def _origin(self) -> Doubles:
        x, y = ((m - c) / self.focal for m, c in zip(self.middle, self.centre, strict=True))
        return self.origin * np.array([x, y, 1.0])


def seen_from(
    size: tuple[int, int], box: tuple[float, float, float, float], *, lens: float, length: float
) -> Seen:
    """Return the camera of a picture `size` (width, height), by a lens in millimetres.

    `box` (left, top, right, bottom) bounds the object in pixels; its silhouette is `length` metres
    long on its longer side.
    """
    focal = lens / SENSOR * max(size)
    left, top, right, bottom = box
    longest = max(right - left, bottom - top)
    distance = length * focal / longest
    # The middle of a ball lies behind the circle that is its silhouette.
    origin = distance * (1 + (longest / 2 / focal) ** 2)
    return Seen(
        size,
        focal,
        (size[0] / 2, size[1] / 2),
        ((left + right) / 2, (top + bottom) / 2),
        distance,
        origin,
    )
