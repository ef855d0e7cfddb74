"""Images of splats by gsplat, on CUDA: the same function as gradients.render has on our kernels."""

from typing import Any

import torch
from torch import Tensor

from .gradients import Camera, Images
from .motion import motion_field, motion_numbers

DILATION, SHARPNESS = 0.3, 0.02
"Variances [px^2] that footprints gain: those of our own projection, blurred and for motion."
SOLID = 0.5


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
