"""The exact motion from one frame's picture to another's, however far apart: splats posed at both.

What an edit by Motion Guidance is told: where each pixel of the source goes, what of it moves, and
where in the new picture something else is seen.
"""

from dataclasses import dataclass

import numpy as np

from ....kernels.splats.raster import Passes, render_splats
from ....kernels.warp import motion_validity
from ...contract.arrays import Array
from ..splats import PosedSplats
from .render import Scene

MOVED = 0.25
"Pixels of motion that count: less is not seen."
SOLID = 0.5
"A pixel of less alpha shows the background."


@dataclass(frozen=True)
class SourceFlow:
    """Images of the source frame's size, (h, w, …)."""

    forward: Array
    "(h, w, 2) f4 pixels: where each pixel of the source is in the other frame."
    moving: Array
    "(h, w) bool, on the source's pixels: what goes elsewhere."
    changed: Array
    "(h, w) bool, on both frames' common pixels: where something leaves, lands or comes to light."
    visible: Array
    "(h, w) bool, on the source's pixels: what is seen in the other frame too."


def flow_from(
    scene: Scene, source: tuple[int, PosedSplats], target: tuple[int, PosedSplats]
) -> SourceFlow:
    """Return the motion from the source frame to the target frame."""
    there = _motion_of(scene, source, target)
    back = _motion_of(scene, target, source)
    moving = _length(there.forward) > MOVED
    known = motion_validity(back.forward, back.depth_after, _depth(there))
    changed = moving | (_length(back.forward) > MOVED) | ~known
    visible = motion_validity(there.forward, there.depth_after, _depth(back))
    return SourceFlow(there.forward, moving, changed, visible)


def _motion_of(
    scene: Scene, here: tuple[int, PosedSplats], other: tuple[int, PosedSplats]
) -> Passes:
    """Rasterise one frame for its motion alone: nothing is lit."""
    posed = here[1]
    return render_splats(
        posed.pose,
        scene.view(here[0]),
        color=np.zeros_like(posed.normal),
        opacity=scene.surface.without(posed.gone).opacity,
        normal=posed.normal,
        index=scene.body,
        after=(other[1].pose, scene.view(other[0])),
    )


def _depth(passes: Passes) -> Array:
    return np.where(passes.alpha < SOLID, np.float32(np.inf), passes.depth)


def _length(motion: Array) -> Array:
    return np.hypot(motion[..., 0], motion[..., 1])
