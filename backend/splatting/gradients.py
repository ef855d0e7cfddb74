"""Our rasteriser as a torch function: images of splats, differentiable; for fits and lifts.

The kernels are started by whoever calls (stages/device.py); tensors live on the processor.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...kernels.splats.project import SplatPose, View, project
from ...kernels.splats.project_gradient import project_gradient
from ...kernels.splats.raster import ALPHA, COLOR, DEPTH, rasterise_kept
from ...kernels.splats.raster_gradient import record_gradient


@dataclass(frozen=True)
class Camera:
    """A camera, pinhole or orthographic, whose pose and lens may be asked for gradients.

    `camera_to_world` (4, 4), OpenCV axes, rigid; `intrinsics` (4,) fx, fy, cx, cy in pixels, pixel
    centres at +0.5 (orthographic, fx and fy are pixels per metre); size in pixels, `near` and `far`
    in metres. Give both in float64: single precision places a pixel less exactly than images are.
    """

    camera_to_world: Tensor
    intrinsics: Tensor
    width: int
    height: int
    near: float = 0.01
    far: float = 1000.0
    orthographic: bool = False

    def view(self) -> View:
        """Return the camera as the kernels read it."""
        pose = self.camera_to_world.detach().cpu().double().numpy()
        lens = self.intrinsics.detach().cpu().double().numpy()
        size = (self.width, self.height)
        return View(pose, lens, *size, self.near, self.far, self.orthographic)


@dataclass(frozen=True)
class Images:
    """`color` (h, w, 3) linear, premultiplied; `alpha` (h, w); `depth` (h, w): z in metres.

    Depth is alpha-normalised, of what takes the light down to a fifth, +inf where empty.
    """

    color: Tensor
    alpha: Tensor
    depth: Tensor


def render(
    mean: Tensor,
    axes: Tensor,
    color: Tensor,
    opacity: Tensor,
    camera: Camera,
    *,
    antialias: bool = False,
) -> Images:
    """Render splats; gradients flow to every tensor given.

    `mean` (n, 3) world metres, `axes` (n, 3, 3) whose columns are the 1-sigma half axes (see
    shapes.py), `color` (n, 3) linear, `opacity` (n,) in 0..1; with `antialias` a splat is as much
    fainter as the pixel makes it larger. Thresholds have no gradient: a splat
    that no pixel sees gets zero. An empty pixel's infinite depth has none either; mask it out of
    a loss. The same input gives the same bits on the processor. ValueError where shapes do not fit.
    """
    rotation = camera.camera_to_world[:3, :3].T
    translation = -rotation @ camera.camera_to_world[:3, 3]
    numbers = torch.cat([rotation.reshape(9), translation, camera.intrinsics])
    images: tuple[Tensor, Tensor, Tensor] = _Rasterise.apply(  # type: ignore[no-untyped-call]
        mean, axes, color, opacity, numbers, camera.view(), antialias
    )
    return Images(*images)


class _Rasterise(torch.autograd.Function):
    """Project, sort, bin and blend; keep for the way back what the images were made from."""

    @staticmethod
    def forward(
        ctx: Any,
        mean: Tensor,
        axes: Tensor,
        color: Tensor,
        opacity: Tensor,
        numbers: Tensor,
        view: View,
        antialias: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        pose = SplatPose(_array(mean), _array(axes))
        projected = project(
            pose, view, color=_array(color), opacity=_array(opacity), antialias=antialias
        )
        planes, lists = rasterise_kept(projected, view)
        ctx.save_for_backward(mean, axes, color, opacity, numbers)
        ctx.made = (view, antialias, projected, planes, lists)
        images = np.moveaxis(planes[COLOR : COLOR + 3], 0, -1), planes[ALPHA], planes[DEPTH]
        # Copies: what the caller changes in place must not change the way back.
        rgb, alpha, depth = (torch.from_numpy(image.copy()).to(mean) for image in images)
        return rgb, alpha, depth

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        mean, axes, color, opacity, numbers = ctx.saved_tensors
        view, antialias, projected, planes, lists = ctx.made
        given_color, given_alpha, given_depth = (_array(tensor) for tensor in given)
        # Depth is infinite where it is empty; a mask by multiplication makes NaN of it there.
        given_depth = np.where(np.isfinite(planes[DEPTH]), given_depth, np.float32(0))
        gradient = record_gradient(
            projected,
            lists,
            planes,
            view,
            color=np.moveaxis(given_color, -1, 0),
            alpha=given_alpha,
            depth=given_depth if given_depth.any() else None,
        )
        pose = SplatPose(_array(mean), _array(axes))
        found = project_gradient(
            pose,
            view,
            _array(opacity),
            projected=projected,
            gradient=gradient,
            antialias=antialias,
        )
        pairs = ((found.mean, mean), (found.axes, axes), (found.color, color),
                 (found.opacity, opacity), (found.camera, numbers))  # fmt: skip
        return *(torch.from_numpy(array).to(tensor) for array, tensor in pairs), None, None


def _array(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), np.float32)
