"""Images of splats by gsplat, on CUDA: the same function as gradients.render has on our kernels."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...kernels.splats.project import SHARP_U, SHARP_V, SplatPose, U, V, View, project
from .gradients import Camera, Images
from .motion import motion_field, motion_numbers

DILATION, SHARPNESS = 0.3, 0.02
"Variances [px^2] that footprints gain: those of our own projection, blurred and for motion."
SOLID = 0.5

Floats = NDArray[np.float32]


def render(
    mean: Tensor,
    axes: Tensor,
    color: Tensor,
    opacity: Tensor,
    camera: Camera,
    *,
    antialias: bool = False,
) -> Images:
    """Render splats that lie on a CUDA device; arguments as `gradients.render` has them.

    Gradients flow to all but the intrinsics, which gsplat takes as constants. Depth is that of the
    splats' centres, of all that is blended: on an opaque surface of small splats it is ours.
    """
    seen, alpha = _blend(
        mean, axes, color, opacity, camera, antialias=antialias, dilation=DILATION, depth=True
    )
    depth = torch.where(alpha > 0, seen[..., -1], torch.inf)
    return Images(seen[..., :-1], alpha, depth)


def color_of(pose: SplatPose, view: View, color: Floats, opacity: Floats) -> tuple[Floats, Floats]:
    """Return colour (h, w, 3) and alpha (h, w) of arrays, drawn on the first CUDA device."""
    mean, axes = in_camera(pose, view, opacity)
    lens = torch.as_tensor(np.asarray(view.intrinsics, np.float64))
    size = (view.width, view.height, view.near, view.far, view.orthographic)
    camera = Camera(torch.eye(4, dtype=torch.float64), lens, *size)

    def on_device(array: NDArray[Any]) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float32), device="cuda")

    with torch.no_grad():
        seen, alpha = _blend(
            on_device(mean), on_device(axes), on_device(color), on_device(opacity),
            camera, antialias=False, dilation=DILATION, depth=False,
        )  # fmt: skip
        return seen.cpu().numpy(), alpha.cpu().numpy()


def in_camera(
    pose: SplatPose, view: View, opacity: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means (n, 3) [m] and half axes (n, 3, 3) [m] as the camera sees them.

    gsplat takes poses to be rigid, and an open lens shears the view. And what `project` draws back
    into its backing is sheared to there, which moves a splat on the screen as it is.
    """
    rotation, translation = view.world_to_camera()
    mean = np.asarray(pose.mean @ rotation.T + translation, np.float64)
    axes = np.asarray(rotation @ pose.axes, np.float64)
    if pose.backing is not None and pose.backing.any():
        none = np.zeros_like(pose.mean)
        record = project(pose, view, color=none, opacity=opacity, normal=none).record
        inset = record[:, [U, V]] - record[:, [SHARP_U, SHARP_V]]
        inset = inset / np.asarray(view.intrinsics)[:2]
        mean[:, :2] += inset if view.orthographic else inset * mean[:, 2:]
        if not view.orthographic:
            axes[:, :2] += inset[:, :, None] * axes[:, 2:]
    return mean, axes


def motion(
    mean: Tensor,
    axes: Tensor,
    opacity: Tensor,
    camera: Camera,
    there: tuple[Tensor, Tensor, Camera],
) -> Tensor:
    """Return the motion field (h, w, 2) [px] towards `there`: means, axes and camera.

    NaN where alpha is under a half: what is far away moves there, and no splat knows how.
    """
    numbers = motion_numbers(mean, axes, camera, *there)
    seen, alpha = _blend(
        mean, axes, numbers, opacity, camera, antialias=False, dilation=SHARPNESS, depth=False
    )
    field = motion_field(seen / alpha.clamp(min=1e-6)[..., None])
    return torch.where((alpha >= SOLID)[..., None], field, torch.nan)


def _blend(
    mean: Tensor,
    axes: Tensor,
    channels: Tensor,
    opacity: Tensor,
    camera: Camera,
    *,
    antialias: bool,
    dilation: float,
    depth: bool,
) -> tuple[Tensor, Tensor]:
    """Channels (h, w, k), the expected depth last where it is asked for, and alpha (h, w)."""
    from gsplat import rasterization

    pose, lens = camera.camera_to_world.to(mean), camera.intrinsics.to(mean)
    rotation = pose[:3, :3].T
    upper = torch.cat([rotation, -(rotation @ pose[:3, 3])[:, None]], 1)
    to_camera = torch.cat([upper, torch.eye(4).to(mean)[3:]])
    zero, one = torch.zeros_like(lens[0]), torch.ones_like(lens[0])
    k = torch.stack([lens[0], zero, lens[2], zero, lens[1], lens[3], zero, zero, one]).reshape(3, 3)
    made: tuple[Tensor, Tensor, dict[str, Any]] = rasterization(
        means=mean,
        quats=None,
        scales=None,
        opacities=opacity.clamp(max=1),
        colors=channels,
        viewmats=to_camera[None],
        Ks=k[None],
        width=camera.width,
        height=camera.height,
        near_plane=camera.near,
        far_plane=camera.far,
        eps2d=dilation,
        render_mode="RGB+ED" if depth else "RGB",
        rasterize_mode="antialiased" if antialias else "classic",
        packed=False,
        camera_model="ortho" if camera.orthographic else "pinhole",
        covars=axes @ axes.mT,
    )
    return made[0][0], made[1][0, ..., 0]
