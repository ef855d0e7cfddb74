"""Motion that a formula gives: the picture slides, turns or grows; a ball turns before it."""

import math

import numpy as np
from numpy.typing import NDArray

from ...contract.image_motions import ShiftMotion, SphereMotion, TurnMotion
from ..motion import inside_frame
from .step import FlowStep, as_floats, nothing_active, pixel_centres

Matrix = NDArray[np.float64]


class PlaneFlow:
    """An affine map of the picture, the same in every frame: about a point, then a shift."""

    def __init__(self, settings: ShiftMotion | TurnMotion, size: tuple[int, int]) -> None:
        if isinstance(settings, ShiftMotion):
            matrix, middle, step = np.eye(2), np.zeros(2), np.array(settings.step)
        else:
            turned = math.cos(settings.angle), math.sin(settings.angle)
            matrix = settings.growth * np.array([[turned[0], -turned[1]], [turned[1], turned[0]]])
            middle, step = np.multiply(settings.center, size), np.zeros(2)
        away = pixel_centres(size) - middle
        back = as_floats((away - step) @ np.linalg.inv(matrix).T - away)
        self._step = FlowStep(
            as_floats(away @ matrix.T + step - away),
            nothing_active(size),
            exact=(back, inside_frame(back)),
        )

    def advance(self) -> FlowStep:
        return self._step


class SphereFlow:
    """A ball that turns about an axis, seen from far away, before a background at rest.

    What comes round from the far side is not covered; what goes there is not seen any more.
    """

    def __init__(self, settings: SphereMotion, size: tuple[int, int]) -> None:
        radius = settings.radius * size[1]
        away = pixel_centres(size) - np.multiply(settings.center, size)
        inside = (away**2).sum(-1) < radius**2
        # The near half of the ball has z below 0: towards the eye.
        depth = -np.sqrt(np.maximum(radius**2 - (away**2).sum(-1), 0))
        points = np.concatenate([away, depth[..., None]], -1)
        turn = _rotation(settings.axis, settings.angle)
        ahead, behind = points @ turn.T, points @ turn
        forward = np.where(inside[..., None], ahead[..., :2] - away, 0)
        back = np.where(inside[..., None], behind[..., :2] - away, 0)
        self._step = FlowStep(
            as_floats(forward),
            nothing_active(size),
            visible=~inside | (ahead[..., 2] < 0),
            nearness=as_floats(np.where(inside, 2 + ahead[..., 2] / radius, np.inf)),
            exact=(as_floats(back), ~inside | (behind[..., 2] < 0)),
        )

    def advance(self) -> FlowStep:
        return self._step


def _rotation(axis: tuple[float, float, float], angle: float) -> Matrix:
    """Rodrigues' formula; ValueError for an axis of no length."""
    length = math.sqrt(sum(part**2 for part in axis))
    if not 0 < length < math.inf:
        raise ValueError(f"expected an axis of some length, got {axis}")
    x, y, z = (part / length for part in axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross)
