"""Bodies that are alike but for their place: their splats are made once; called by prepare."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ...contract.arrays import ArraySet
from ...contract.shot import Body, Shot
from .facing import faced
from .shape import Shape

MANY = 8
"Keyframed bodies from which on those that look alike share their splats."


class Herds:
    """Which bodies of a shot look alike, and are many."""

    def __init__(self, shot: Shot) -> None:
        counts = Counter(_likeness(body) for body in shot.bodies if body.role == "kinematic")
        self._many = {likeness for likeness, count in counts.items() if count >= MANY}

    def key(self, body: Body) -> object:
        """Return what is equal for bodies that share their splats."""
        return _likeness(body) if self._holds(body) else body.name

    def seen(self, shot: Shot, arrays: ArraySet, body: Body, shape: Shape) -> NDArray[np.bool_]:
        """Return the triangles (F,) that some frame may show: all of one among many."""
        if self._holds(body):
            return np.ones(len(shape.triangles), bool)
        return faced(shot, arrays, body, shape)

    def _holds(self, body: Body) -> bool:
        return body.role == "kinematic" and _likeness(body) in self._many


def _likeness(body: Body) -> object:
    own = body.capture, body.fit, body.vertex_cache
    return body.mesh, body.looks, body.thickness, body.splat_density, own
