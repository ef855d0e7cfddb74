"""A frame's images by the engine that was chosen; called by the render stage. No torch for our own.

gsplat blends colour and alpha alone: what a frame asks for again and again. What has to be exact
inside each splat, and which body a pixel shows, come from our kernels on every device.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...kernels.splats.project import SplatPose, View, project
from ...kernels.splats.raster import Passes, rasterise_plain, render_splats
from .engines import EngineName

Floats = NDArray[np.float32]
Frame = tuple[SplatPose, View]


def draw_frame(
    pose: SplatPose,
    view: View,
    *,
    color: Floats,
    opacity: Floats,
    normal: Floats,
    index: NDArray[np.int32],
    before: Frame | None = None,
    after: Frame | None = None,
    engine: EngineName,
) -> Passes:
    """Return every pass of a frame; arguments and passes as `render_splats`."""
    passes = render_splats(
        pose,
        view,
        color=color,
        opacity=opacity,
        normal=normal,
        index=index,
        before=before,
        after=after,
    )
    if engine == "taichi":
        return passes
    shown, alpha = draw_color(pose, view, color=color, opacity=opacity, engine=engine)
    return replace(passes, color=shown, alpha=alpha)


def draw_color(
    pose: SplatPose, view: View, *, color: Floats, opacity: Floats, engine: EngineName
) -> tuple[Floats, Floats]:
    """Return colour (h, w, 3), linear and premultiplied, and alpha (h, w)."""
    if engine == "taichi":
        return rasterise_plain(project(pose, view, color=color, opacity=opacity), view)[:2]
    from . import gsplat_engine

    return gsplat_engine.color_of(pose, view, color, opacity)
