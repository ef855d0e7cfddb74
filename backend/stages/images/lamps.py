"""The shot's lights as they shine at a frame; used by lighting and shadows.

Lamps shine as in Blender: a sun's strength is irradiance [W/m^2]; a point or spot of P watts has
P / (4 pi) W/sr; an area of P watts P / pi W/sr along its axis.
"""

import math
from dataclasses import dataclass

import numpy as np

from ....kernels.splats import shade
from ...contract.arrays import Array, ArrayRef, ArraySet
from ...contract.shot import Light, Shot
from ..bodies.shape import pose_at

NOWHERE = ArrayRef("0" * 64, "f8", (1, 4, 4))


@dataclass(frozen=True)
class Lamp:
    """One light at one frame: `record` for the kernel, and what shadows need of it."""

    light: Light
    pose: Array
    record: Array

    @property
    def position(self) -> Array:
        return self.pose[:3, 3]

    @property
    def axis(self) -> Array:
        return -self.pose[:3, 2]


def lamps_at(shot: Shot, arrays: ArraySet, frame: int) -> tuple[Lamp, ...]:
    """Return the shot's lamps as they shine at a frame; dark ones are left out."""
    lamps = []
    for light in shot.lights:
        if light.power > 0 and max(light.color) > 0:
            pose = pose_at(shot, arrays, light.poses, frame)
            lamps.append(Lamp(light, pose, _record(light, pose)))
    return tuple(lamps)


def point_lamp(name: str, position: Array, intensity: Array, size: float) -> Lamp:
    """Return a lamp of no shot, of `intensity` (3,) [W/sr] and a radius [m], without shadow."""
    watts = 4 * np.pi * float(intensity.max())
    red, green, blue = (float(part) for part in intensity / intensity.max())
    pose = np.eye(4)
    pose[:3, 3] = position
    light = Light(
        name, "point", NOWHERE, color=(red, green, blue), power=watts, size=float(size),
        shadow=False,
    )  # fmt: skip
    return Lamp(light, pose, _record(light, pose))


def _record(light: Light, pose: Array) -> Array:
    share = {"sun": 1.0, "point": 1 / (4 * np.pi), "spot": 1 / (4 * np.pi), "area": 1 / np.pi}
    record = np.zeros(shade.LAMP_COLUMNS, np.float32)
    record[shade.POSITION :][:3] = pose[:3, 3]
    record[shade.AXIS :][:3] = -pose[:3, 2]
    record[shade.RADIANT :][:3] = np.multiply(light.color, light.power * share[light.kind])
    record[shade.RIGHT :][:3] = pose[:3, 0]
    record[shade.UP :][:3] = pose[:3, 1]
    record[shade.SUN] = light.kind == "sun"
    record[shade.FLAT] = light.kind == "area"
    record[shade.SIZE] = light.size
    record[shade.CONE], record[shade.CONE_BLEND] = -1.0, 1.0
    if light.kind == "spot":
        cone = math.cos(light.spot_angle / 2)
        record[shade.CONE] = cone
        record[shade.CONE_BLEND] = max(1e-3, (1 - cone) * light.spot_blend)
    return record
