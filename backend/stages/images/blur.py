"""Motion blur and depth of field: the beauty as the mean of pictures within a frame; for render.

Each picture is of its own moment while the shutter is open, and through its own spot of the lens,
as in Haeberli and Akeley, The Accumulation Buffer, 1990, sections 3.3 and 3.4. Between frames
splats go straight on, and the camera turns evenly. Nothing is random: the same moments and spots in
every frame, so that what stands still does not flicker. One picture is held beside their mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....kernels.splats.project import SplatPose, View
from ...cameras.track import pose_between
from ...contract.arrays import Array, ArraySet
from ...contract.shot import Blur, Shot
from ...splatting.engines import EngineName
from ...splatting.frames import draw_color
from ..air.rows import Rows

GOLDEN_TURN = 0.6180339887498949
TIME_STEP = 0.7548776662466927
"Spots and moments follow sequences that fall into no common step (Roberts, the R2 sequence, 2018)."
EDGE_ANGLES = 4096


@dataclass(frozen=True)
class Sample:
    """One picture: its moment in frames from the frame's own, its spot on a lens of radius 1."""

    time: float
    spot: tuple[float, float]
    "x right, y up."


def samples_of(blur: Blur) -> list[Sample]:
    """Return the samples of a frame: times fill the shutter's opening evenly, spots the lens."""
    count = blur.samples
    order = np.argsort(np.argsort((np.arange(count) * TIME_STEP) % 1.0))
    opens, closes = blur.shutter
    times = opens + (closes - opens) * (order + 0.5) / count
    spots = _spots(count, blur)
    return [Sample(float(t), (float(x), float(y))) for t, (x, y) in zip(times, spots, strict=True)]


def _spots(count: int, blur: Blur) -> NDArray[np.float64]:
    """Points (count, 2) spread evenly over a disc or a regular polygon in it (Vogel, 1979)."""
    share = (np.arange(count) * GOLDEN_TURN) % 1.0
    edges = np.linspace(0, 2 * np.pi, EDGE_ANGLES + 1)
    reach = np.ones_like(edges)
    if blur.blades >= 3:
        half = np.pi / blur.blades
        reach = np.cos(half) / np.cos(edges % (2 * half) - half)
    # As many spots in each direction as there is lens in it.
    area = np.append(0, np.cumsum((reach[1:] ** 2 + reach[:-1] ** 2) / 2))
    angles = np.interp(share, area / area[-1], edges)
    radius = np.sqrt((np.arange(count) + 0.5) / count) * np.interp(angles, edges, reach)
    turned = angles + blur.rotation
    # Blender's ratio makes the lens narrower.
    return np.stack([radius * np.cos(turned) / blur.ratio, radius * np.sin(turned)], 1)


def blurred(
    shot: Shot,
    arrays: ArraySet,
    frame: int,
    rows: Rows,
    views: tuple[View | None, View, View | None],
    engine: EngineName,
) -> Iterator[Array]:
    """Yield the mean (h, w, 4) of the samples so far, premultiplied: the last one is the picture.

    `views` are the cameras of the frames before, at and after; None where there is none.
    """
    blur = shot.render.blur
    assert blur is not None
    radius, focus = (0.0, 1.0) if blur.lens is None else arrays.of(blur.lens)[
        frame - shot.frames.first
    ].tolist()  # fmt: skip
    around = _around(shot, frame, views)
    mean = np.zeros((views[1].height, views[1].width, 4), np.float32)
    for number, sample in enumerate(samples_of(blur), 1):
        view = through_lens(view_at(around, sample.time), sample.spot, radius, focus)
        pose = pose_at(rows, sample.time)
        color, alpha = draw_color(pose, view, color=rows.color, opacity=rows.opacity, engine=engine)
        mean += (np.concatenate([color, alpha[..., None]], -1) - mean) / np.float32(number)
        yield mean


def _around(
    shot: Shot, frame: int, views: tuple[View | None, View, View | None]
) -> tuple[View | None, View, View | None]:
    """Return the views between which the camera moves: never across a cut."""
    before, here, after = views
    if frame in shot.camera.cuts or (before and before.orthographic != here.orthographic):
        before = None
    if frame + 1 in shot.camera.cuts or (after and after.orthographic != here.orthographic):
        after = None
    return before, here, after


def view_at(around: tuple[View | None, View, View | None], time: float) -> View:
    """Return the camera `time` frames from the middle view; it goes on as it came at the ends."""
    before, here, after = around
    other, share = (after, time) if time > 0 else (before, -time)
    if other is None:
        other, share = (before, -time) if time > 0 else (after, time)
    if other is None or share == 0:
        return here
    lens = here.intrinsics + share * (np.asarray(other.intrinsics) - here.intrinsics)
    # A lens that zooms in within the frame is not carried on until it turns over.
    lens[:2] = np.maximum(lens[:2], 0.5 * np.asarray(here.intrinsics)[:2])
    pose = pose_between(here.camera_to_world, other.camera_to_world, share)
    return replace(here, camera_to_world=pose, intrinsics=lens)


def pose_at(rows: Rows, time: float) -> SplatPose:
    """Return the splats `time` frames from the frame's own; they go on as they came at the ends."""
    other, share = (rows.after, time) if time > 0 else (rows.before, -time)
    if other is None:
        other, share = (rows.before, -time) if time > 0 else (rows.after, time)
    if other is None or share == 0:
        return rows.pose
    part = np.float32(share)
    mean = rows.pose.mean + part * (other.mean - rows.pose.mean)
    axes = rows.pose.axes + part * (other.axes - rows.pose.axes)
    return SplatPose(mean, axes, rows.pose.backing)


def through_lens(view: View, spot: tuple[float, float], radius: float, focus: float) -> View:
    """Return the view through a spot of the lens, held on what is `focus` metres away."""
    right, down = radius * spot[0], -radius * spot[1]
    if right == down == 0:
        return view
    pose = np.array(view.camera_to_world, np.float64)
    pose[:3, 3] += right * pose[:3, 0] + down * pose[:3, 1]
    if view.orthographic:
        return replace(view, camera_to_world=pose, shear=(right / focus, down / focus))
    fx, fy, cx, cy = (float(value) for value in view.intrinsics)
    lens = np.array([fx, fy, cx + fx * right / focus, cy + fy * down / focus])
    return replace(view, camera_to_world=pose, intrinsics=lens)
