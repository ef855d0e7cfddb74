"""The suite `diffusion-speed`: MotionCraft's time and memory for a frame against a plain loop.

On a GPU a UNet of Stable Diffusion 1.5's size at 512 px in 16 bit, random weights serve; on a
processor a small one, to see that it runs. The plain loop is what the paper describes in diffusers'
own parts: three frames, both guidance passes one after the other, its schedulers, no compilation.
Both make the same frames, and how far they differ is part of the result.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...contract.methods import MotionCraft as Settings
from ...diffusion.model_folder import ModelFolder, read_model_folder
from ...diffusion.models import DiffusionModel
from ...diffusion.motion import FrameMotion
from ...diffusion.motioncraft import MotionCraft
from ...diffusion.precision import Precision, choose_precision
from .diffusion_plain import PlainLoop, write_random_model


@dataclass(frozen=True)
class Case:
    """What is measured: pixels, sampler steps, how many frames after the first."""

    widths: tuple[int, ...]
    size: tuple[int, int]
    steps: int
    frames: int


ON_GPU = Case((320, 640, 1280, 1280), (512, 512), 200, 3)
ON_PROCESSOR = Case((64, 128, 224), (256, 144), 20, 2)


@dataclass(frozen=True)
class Measured:
    """Seconds a frame (the first, which warms up, not counted), and the most memory in bytes."""

    seconds: float
    memory: int | None


def run(out: Path, device: str = "auto") -> dict[str, Any]:
    """Measure, write speed_diffusion.json into `out`, return the figures."""
    out.mkdir(parents=True, exist_ok=True)
    on_gpu = device in ("auto", "cuda") and torch.cuda.is_available()
    case = ON_GPU if on_gpu else ON_PROCESSOR
    with TemporaryDirectory() as folder:
        path = write_random_model(Path(folder) / "random", case.widths)
        results = compare(path, case, "cuda" if on_gpu else "cpu")
    if not on_gpu:
        results["note"] = "No CUDA device: a small network on the processor, not the comparison."
    (out / "speed_diffusion.json").write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    return results


def compare(path: Path, case: Case, device: str) -> dict[str, Any]:
    """Measure the plain loop and ours, with and without compilation, on the model in `path`."""
    folder = read_model_folder(path)
    parameters = sum(weights.numbers for weights in folder.weights.values())
    chosen = choose_precision(parameters, *case.size, device)
    settings = Settings(prompt="a ball", steps=case.steps)
    plain, expected = _measure(case, partial(PlainLoop, path, chosen, settings, case.size))
    measured = {"plain": plain}
    difference = 0.0
    for compiled in (False, True) if chosen.compile else (False,):
        precision = replace(chosen, compile=compiled)
        ours, made = _measure(case, partial(_Ours, folder, precision, settings, case.size))
        measured["compiled" if compiled else "ours"] = ours
        difference = max(difference, float((made - expected).norm() / expected.norm()))
    best = min(value.seconds for name, value in measured.items() if name != "plain")
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "precision": list(chosen.reasons),
        "case": asdict(case),
        **{name: asdict(value) for name, value in measured.items()},
        "times_faster": plain.seconds / best,
        "relative_difference": difference,
    }


class _Ours:
    """MotionCraft as the product runs it, under the plain loop's names."""

    def __init__(
        self, folder: ModelFolder, precision: Precision, settings: Settings, size: tuple[int, int]
    ) -> None:
        self._size = size
        model = DiffusionModel(folder, precision)
        self._crafting = MotionCraft(model, settings, size, 0, lambda: None, lambda *_: None)

    def start(self, image: NDArray[np.uint8]) -> None:
        self._crafting.start(image)

    def next(self) -> None:
        width, height = self._size
        still = np.zeros((height, width, 2), np.float32)
        self._crafting.next(FrameMotion(still, np.zeros((height, width), np.float32)))

    def latent(self) -> torch.Tensor:
        return torch.from_numpy(self._crafting.state()["last"])


def _measure(case: Case, make: Callable[[], PlainLoop | _Ours]) -> tuple[Measured, torch.Tensor]:
    """Return time and memory of a frame, and the last latent."""
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    loop = make()
    rng = np.random.default_rng(0)
    loop.start(rng.integers(0, 256, (case.size[1], case.size[0], 3), dtype=np.uint8))
    loop.next()  # compiles, and keeps what is kept of the first frame
    loop.next()
    _wait()
    began = time.perf_counter()
    for _ in range(case.frames):
        loop.next()
    _wait()
    seconds = (time.perf_counter() - began) / case.frames
    memory = torch.cuda.max_memory_allocated() if on_gpu else None
    return Measured(seconds, memory), loop.latent()


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
