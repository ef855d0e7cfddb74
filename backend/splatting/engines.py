"""Which engine draws splats, and why: gsplat on CUDA, our own kernels everywhere else."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

EngineName = Literal["gsplat", "taichi"]


@dataclass(frozen=True)
class Engine:
    """An engine, and in one clause for people why it is this one."""

    name: EngineName
    reason: str


def choose_engine(device: str) -> Engine:
    """Choose for a device as `start_device` names it: cpu, cuda, vulkan or metal."""
    if device != "cuda":
        return Engine("taichi", f"gsplat needs CUDA, and this is {device}")
    problem = _gsplat_problem()
    if problem:
        return Engine("taichi", problem)
    return Engine("gsplat", "CUDA is there, and gsplat with it")


def _gsplat_problem() -> str:
    """Return what keeps gsplat from running here, empty where nothing does."""
    for name in ("torch", "gsplat"):
        if find_spec(name) is None:
            return f"{name} is not installed"
    import torch

    if not torch.cuda.is_available():
        return "torch was built for another device than CUDA, or sees none"
    try:
        from gsplat import rasterization
    except Exception as err:  # a compiler without a working GPU makes its import raise anything
        return f"gsplat does not start: {str(err).strip().splitlines()[0] if str(err) else err!r}"
    return "" if callable(rasterization) else "gsplat has no rasterization"
