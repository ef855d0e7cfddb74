"""How a model runs on a device: number format, memory measures, compilation, and why."""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from ..contract.errors import ResourceError

STABLE_DIFFUSION = 860_000_000
"Parameters of Stable Diffusion 1.5's UNet, which the two figures below were taken from."
UNET_BYTES = 100_000
"Working memory of one latent cell of one row of the batch, 16 bit, without attention's matrices."
VAE_BYTES = 10_000
"Working memory of one pixel while a picture is decoded, 16 bit."
ROWS = 4
"Rows of a batch: references, conditional, unconditional."
SLICE_TOKENS = 4096
"From so many latent cells on, attention without a fused kernel is computed in slices."
SPARE = 0.85
"Share of the free memory that is counted on."


@dataclass(frozen=True)
class Precision:
    """The choice, and the sentences that say why."""

    device: torch.device
    dtype: torch.dtype
    attention_slicing: bool
    offload: bool
    channels_last: bool
    compile: bool
    reasons: tuple[str, ...]


def choose_precision(parameters: int, width: int, height: int, device: str = "auto") -> Precision:
    """Choose for a model of `parameters` numbers (all parts) and pictures of width x height px.

    Raises ResourceError when the device is not there, or cannot hold the model's largest part.
    """
    chosen = torch.device(_device(device))
    if chosen.type == "cuda":
        return _for_cuda(chosen, parameters, width, height)
    if chosen.type == "mps":
        return _for_metal(chosen, width, height)
    reasons = (
        "32 bit: processors compute half precision slowly or not at all.",
        "Not compiled: on a processor it takes longer than it saves.",
    )
    return Precision(chosen, torch.float32, False, False, False, False, reasons)


def _device(name: str) -> str:
    there = {"cpu": True, "cuda": torch.cuda.is_available(),
             "mps": torch.backends.mps.is_available()}  # fmt: skip
    if name == "auto":
        return "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    # The kernels' names for devices; what only they can use leaves the processor to torch.
    name = {"metal": "mps", "vulkan": "cpu"}.get(name, name)
    if not there.get(name.split(":")[0], False):
        raise ResourceError(
            f"Expected to diffuse on {name}, but torch finds only "
            f"{', '.join(key for key, here in there.items() if here)}.",
            "Choose one of these, or auto; or install the torch build for the other.",
        )
    return name


def _for_cuda(device: torch.device, parameters: int, width: int, height: int) -> Precision:
    reasons = []
    major = torch.cuda.get_device_capability(device)[0]
    # Ampere and newer have bf16 too, but its 8 bits of mantissa are few for DDIM inversion.
    dtype = torch.float16 if major >= 6 else torch.float32
    reasons.append(
        "16 bit (fp16): half the memory, and the tensor cores."
        if dtype == torch.float16
        else "32 bit: this GPU computes 16 bit slowly."
    )
    free = SPARE * torch.cuda.mem_get_info(device)[0]
    needed = parameters * dtype.itemsize
    working = working_bytes(parameters, width, height) * dtype.itemsize // 2
    offload = needed + working > free
    if offload:
        reasons.append(
            f"Parts are moved to the GPU when they are used: {_gib(needed + working)} are needed, "
            f"{_gib(free)} are free."
        )
    slicing = working > free
    if slicing:
        reasons.append("Attention in slices: its matrices would not fit.")
    channels_last = major >= 7 and dtype == torch.float16
    if channels_last:
        reasons.append("Channels last: tensor cores convolve so without reordering.")
    compiled = not offload and major >= 7 and _can_compile()
    reasons.append(
        "Compiled: a minute once, then every step is faster."
        if compiled
        else "Not compiled: that needs Triton, a C compiler and all parts on the GPU."
    )
    return Precision(device, dtype, slicing, offload, channels_last, compiled, tuple(reasons))


def _for_metal(device: torch.device, width: int, height: int) -> Precision:
    slicing = width * height // 64 >= SLICE_TOKENS
    reasons = ["32 bit: Metal's half precision turns some models' pictures black."]
    if slicing:
        reasons.append("Attention in slices: Metal has no fused kernel for it.")
    return Precision(device, torch.float32, slicing, False, False, False, tuple(reasons))


def working_bytes(parameters: int, width: int, height: int) -> int:
    """Estimate the memory beside the weights, in 16 bit: the larger of a step and a decoding."""
    share = min(1.0, (parameters / STABLE_DIFFUSION) ** 0.5)
    step = ROWS * UNET_BYTES * (width * height / 64)
    return int(share * max(step, VAE_BYTES * width * height))


def _can_compile() -> bool:
    return find_spec("triton") is not None and any(map(shutil.which, ("cc", "gcc", "clang")))


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
