"""Which engine draws splats, and why: gsplat on CUDA, our own kernels everywhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
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
    return _trial(_draw_one)


@cache
def _trial(draw: Callable[[], None]) -> str:
    """Say in one line why `draw` fails, empty where it does not; tried once in a process."""
    try:
        draw()
    except Exception as err:  # a compiler without a working GPU makes its import raise anything
        lines = str(err).strip().splitlines() or [repr(err)]
        return f"gsplat does not start: {lines[0]}"
    return ""


def _draw_one() -> None:
    """Draw one splat: gsplat compiles itself for the device when it is first asked to."""
    import torch
    from gsplat import rasterization

    one, lens = torch.ones(1, device="cuda"), torch.eye(3, device="cuda")[None]
    rasterization(
        means=torch.tensor([[0.0, 0.0, 1.0]], device="cuda"), quats=None, scales=None,
        opacities=one, colors=one[:, None].expand(1, 3).contiguous(), width=16, height=16,
        viewmats=torch.eye(4, device="cuda")[None], Ks=lens, packed=False,
        covars=torch.eye(3, device="cuda")[None],
    )  # fmt: skip
    torch.cuda.synchronize()
