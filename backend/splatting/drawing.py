"""One function for images of splats, whichever engine draws them."""

from torch import Tensor

from . import gradients
from .engines import EngineName
from .gradients import Camera, Images


def draw(
    mean: Tensor,
    axes: Tensor,
    color: Tensor,
    opacity: Tensor,
    camera: Camera,
    *,
    engine: EngineName,
    antialias: bool = False,
) -> Images:
    """Render splats with what `choose_engine` chose; arguments and images as `gradients.render`.

    For gsplat the tensors lie on the CUDA device, for our kernels on any.
    """
    if engine == "taichi":
        return gradients.render(mean, axes, color, opacity, camera, antialias=antialias)
    from . import gsplat_engine

    return gsplat_engine.render(mean, axes, color, opacity, camera, antialias=antialias)
