"""LGM's published weights: their layout read off their shapes, then every tensor in its place."""

import re
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ....contract.errors import ModelError
from ....diffusion.model_folder import check_safetensors
from .network import Layout, Network

FILES = ("model_fp16_fixrot.safetensors", "model_fixrot.safetensors", "model.safetensors")
"What a folder of LGM may hold, the better first."
BESIDE = ("lpips_loss.",)
"Begins of names that training left beside the network."


def load_network(path: Path, *, device: str = "cpu") -> Network:
    """Open LGM from its safetensors file, or from the folder that holds it.

    On a processor weights become 32 bit, on CUDA 16. Raises ModelError.
    """
    file = _file(path)
    check_safetensors(file)
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError) as err:
        raise ModelError(
            f"Expected LGM in {file.name}, got: {err}.", "Get the file again."
        ) from err
    tensors = {name: value for name, value in tensors.items() if not name.startswith(BESIDE)}
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    layout = layout_of(shapes, file.name)
    with torch.device("meta"):
        network = Network(layout)
    _require_match(network, shapes, file.name)
    dtype = torch.float16 if device == "cuda" else torch.float32
    network.load_state_dict({name: value.to(dtype) for name, value in tensors.items()}, assign=True)
    return network.to(device).eval().requires_grad_(False)


def layout_of(shapes: dict[str, tuple[int, ...]], name: str) -> Layout:
    """Return the layout that shapes of weights tell. Raises ModelError where they tell none."""
    down, up = (_channels(shapes, f"unet.{part}_blocks") for part in ("down", "up"))
    if not down or not up or len(up) > len(down):
        raise ModelError(
            f"Expected the weights of LGM in {name}, found none of its levels.",
            "Get model_fp16_fixrot.safetensors of LGM.",
        )
    return Layout(
        down,
        _attends(shapes, "down", len(down)),
        up,
        _attends(shapes, "up", len(up)),
        any(key.startswith("unet.mid_block.attns.") for key in shapes),
    )


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    for name in FILES:
        if (path / name).is_file():
            return path / name
    raise ModelError(
        f"Expected LGM's weights at {path}, found none of {', '.join(FILES)}.", "Check the path."
    )


def _channels(shapes: dict[str, tuple[int, ...]], part: str) -> tuple[int, ...]:
    """Return the channels of the levels 0, 1, … of a part, as far as there are."""
    found: list[int] = []
    while (key := f"{part}.{len(found)}.nets.0.conv1.weight") in shapes:
        found.append(shapes[key][0])
    return tuple(found)


def _attends(shapes: Iterable[str], part: str, count: int) -> tuple[bool, ...]:
    levels = {int(match[1]) for key in shapes
              if (match := re.match(rf"unet\.{part}_blocks\.(\d+)\.attns\.", key))}  # fmt: skip
    return tuple(level in levels for level in range(count))


def _require_match(network: Network, shapes: dict[str, tuple[int, ...]], name: str) -> None:
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    absent = [key for key, shape in wanted.items() if shapes.get(key) != shape]
    foreign = [key for key in shapes if key not in wanted]
    if absent or foreign:
        which = f"{absent[0]} is missing or of another shape" if absent else f"{foreign[0]} is not"
        raise ModelError(
            f"Expected the {len(wanted)} weights of LGM in {name}, {which} "
            f"({len(absent)} so, {len(foreign)} too many).",
            "Get model_fp16_fixrot.safetensors of LGM.",
        )
