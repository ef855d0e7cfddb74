"""Depth that is given with a picture: read from files, or found by a model with local weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import LiftError, ModelError
from .picture import Floats, Picture, read_grey

DepthKind = Literal["metric", "depth", "disparity"]
KINDS = ("metric", "depth", "disparity")
METRIC = ("zoedepth", "depth_pro")
"Types of models that say metres; those of others say disparity, unless their configuration does."


@dataclass(frozen=True)
class DepthMap:
    """Depth (H, W) f32 of every pixel of a picture.

    metric: along the camera's axis, in one unit throughout. depth: larger is farther, its unit and
    its zero unknown. disparity: larger is nearer, its unit and zero unknown, as monocular models
    say it. NaN where nothing is known.
    """

    values: Floats
    kind: DepthKind


def read_depth(path: Path, kind: DepthKind, size: tuple[int, int]) -> DepthMap:
    """Read depth from .npy, .exr (its channel Depth, Z, V, Y or R) or a grey picture, 16-bit best.

    `size` is the picture's (width, height); other sizes of its proportions are brought to it.
    Raises LiftError.
    """
    if kind not in KINDS:
        raise LiftError(f"Expected depth to be {', '.join(KINDS)}, got {kind!r}.", "Choose one.")
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".exr"):
        if kind == "metric":
            raise LiftError(
                f"{path.name}: expected metric depth as .npy or .exr, got a picture, which has no "
                "unit.",
                "Say that it is depth or disparity.",
            )
        return DepthMap(read_grey(path, size), kind)
    values = _read_npy(path) if suffix == ".npy" else _read_exr(path)
    if values.ndim != 2 or abs(values.shape[1] * size[1] - values.shape[0] * size[0]) > max(size):
        raise LiftError(
            f"{path.name}: expected depth of the picture's {size[0]} x {size[1]} pixels, got "
            f"{values.shape}.",
            "Save it in the size of the picture.",
        )
    known = np.isfinite(values) & (values < 1e9)
    if kind == "metric":
        known &= values > 0
    return DepthMap(_resized(np.where(known, values, np.nan), size), kind)


def estimated_depth(picture: Picture, folder: Path) -> DepthMap:
    """Let a model for monocular depth look: DPT, Depth Anything and what transformers opens alike.

    `folder` holds its weights in the transformers layout; nothing is fetched. Raises ModelError.
    """
    import torch
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    from .sam import OPENING

    try:
        processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForDepthEstimation.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    except OPENING as err:
        raise ModelError(
            f"Expected a depth model in the transformers layout in {folder.name}, got: "
            f"{(str(err).strip().splitlines() or ['nothing'])[0]}",
            "Get the whole folder of a model such as Depth Anything or DPT.",
        ) from err
    image = (255 * picture.color).round().astype(np.uint8)
    inputs = processor(images=image, return_tensors="pt")
    with torch.no_grad():
        found = model.eval()(**inputs).predicted_depth
    metric = getattr(model.config, "depth_estimation_type", "relative") == "metric"
    metric |= model.config.model_type in METRIC
    scaled = torch.nn.functional.interpolate(
        found[:, None].float(), size=image.shape[:2], mode="bicubic", align_corners=False
    )
    return DepthMap(scaled[0, 0].numpy().astype(np.float32), "metric" if metric else "disparity")


def _resized(values: NDArray[np.floating[Any]], size: tuple[int, int]) -> Floats:
    if values.shape == (size[1], size[0]):
        return np.asarray(values, np.float32)
    rows = ((np.arange(size[1]) + 0.5) * values.shape[0] / size[1]).astype(int)
    columns = ((np.arange(size[0]) + 0.5) * values.shape[1] / size[0]).astype(int)
    return np.asarray(values[rows][:, columns], np.float32)


def _read_npy(path: Path) -> NDArray[np.float64]:
    try:
        return np.asarray(np.load(path, allow_pickle=False, mmap_mode="r"), np.float64)
    except (OSError, ValueError, EOFError) as err:
        raise _unreadable(path, err) from err


def _read_exr(path: Path) -> NDArray[np.float64]:
    import OpenEXR

    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = file.channels()
            ends = {name.split(".")[-1].upper(): name for name in channels}
            for wanted in ("DEPTH", "Z", "V", "Y", "R"):
                if wanted in ends:
                    return np.asarray(channels[ends[wanted]].pixels, np.float64)
    except (OSError, RuntimeError, ValueError, TypeError) as err:
        raise _unreadable(path, err) from err
    raise LiftError(
        f"{path.name}: expected a channel Depth, Z, V, Y or R, got {', '.join(sorted(channels))}.",
        "Save the depth pass alone.",
    )


def _unreadable(path: Path, err: Exception) -> LiftError:
    reason = (str(err).strip().splitlines() or [type(err).__name__])[0]
    return LiftError(
        f"{path.name}: expected depth as .npy or .exr, got: {reason}.", "Save it again."
    )
