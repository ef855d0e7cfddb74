"""One edit made by one method, and its figures: what the suite motion-guidance has rows of.

Results are kept beside each other as they are made, so that a suite that was ended goes on.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import imageio.v3 as imageio
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ...contract.methods import MotionGuidance as Settings
from ...diffusion.edit_masks import editable_area, occlusion_mask
from ...diffusion.flow_network import FlowNetwork, careful_estimate
from ...diffusion.guidance_energy import enlarge, zoom_of
from ...diffusion.hard_warp import hard_warp
from ...diffusion.models import DiffusionModel, to_image, to_tensor
from ...diffusion.motion_guidance import MotionGuidance
from ...diffusion.sampling import Grid, add_noise, denoise
from ..measures.embedding import similarity
from ..measures.videos import Embed, dis_flow, flow_error
from .cases import EditCase

Image = NDArray[np.uint8]
MARGIN = 10.0
"Pixels round the edit that count as edited for every method: the presets' dilation."
SDEDIT_STEPS = 50
SDEDIT_GUIDANCE = 7.5


@dataclass(frozen=True)
class Figures:
    """Of an edit, against what was wanted of it.

    `flow`: mean L1 of the network's estimated flow to the wanted one, px, all pixels. `seen`: the
    same where the edit should show the source. `moving`: its end-point error where things move.
    `flow_dis`: the same by OpenCV's DIS, which no method was guided by, and which guesses on plain
    grounds. `similarity`: cosine of the embeddings of source and edit. `frozen`: the largest
    difference outside the editable area, of 1.
    """

    flow: float
    seen: float
    moving: float
    flow_dis: float
    similarity: float
    frozen: float
    seconds: float


@dataclass(frozen=True)
class Tools:
    """What edits are made and measured with."""

    model: DiffusionModel
    network: FlowNetwork
    embed: Embed
    folder: Path
    "Where pictures and figures are kept."


@dataclass(frozen=True)
class Result:
    case: str
    method: str
    figures: Figures
    image: Image


Make = Callable[[EditCase], Image]


def result_of(tools: Tools, case: EditCase, method: str, make: Make) -> Result:
    """Make an edit and measure it, or take what an earlier run with the same models has left."""
    stem = f"{case.name}__{method}"
    kept, picture = tools.folder / f"{stem}.json", tools.folder / f"{stem}.png"
    if kept.exists():
        figures = msgspec.convert(json.loads(kept.read_text(encoding="utf-8")), Figures)
        return Result(case.name, method, figures, imageio.imread(picture))
    start = time.perf_counter()
    image = make(case)
    figures = measure(tools, case, image, time.perf_counter() - start)
    imageio.imwrite(picture, image)
    kept.write_text(json.dumps(asdict(figures)), encoding="utf-8")
    return Result(case.name, method, figures, image)


def measure(tools: Tools, case: EditCase, image: Image, seconds: float) -> Figures:
    """Compare an edit with what was wanted of it."""
    wanted, moving = case.field.flow, case.field.moving
    found = network_flow(tools.network, case.image, image)
    seen = occlusion_mask(wanted, moving)
    frozen = ~editable_area(wanted, moving, dilation=MARGIN)
    difference = np.abs(image.astype(np.float64) - case.image)[frozen]
    return Figures(
        flow=flow_error(found, wanted)[0],
        seen=flow_error(found, wanted, seen)[0],
        moving=flow_error(found, wanted, moving)[1],
        flow_dis=flow_error(dis_flow(case.image, image), wanted, moving)[1],
        similarity=similarity(case.image, image, tools.embed),
        frozen=float(difference.max() / 255) if frozen.any() else 0.0,
        seconds=seconds,
    )


@torch.no_grad()
def network_flow(network: FlowNetwork, first: Image, second: Image) -> NDArray[np.float32]:
    """Return the flow (H, W, 2) that the network finds, small pictures enlarged."""
    device = next(network.parameters()).device
    pair = [to_tensor(image).to(device) for image in (first, second)]
    zoom = zoom_of(pair[0])
    one, other = (enlarge(picture, zoom) for picture in pair)
    large = careful_estimate(network, one, other)
    flow = torch.nn.functional.avg_pool2d(large, zoom) / zoom
    return np.asarray(flow[0].permute(1, 2, 0).cpu().numpy())


def guided(tools: Tools, settings: Settings, seed: int = 0) -> Make:
    """Return Motion Guidance with these settings, the case's caption as the prompt."""

    def make(case: EditCase) -> Image:
        named = msgspec.structs.replace(settings, prompt=case.caption)
        height, width = case.image.shape[:2]
        method = MotionGuidance(
            tools.model, tools.network, named, (width, height), seed, _go_on, lambda done, of: None
        )
        return method.edit(case.image, case.field.flow, moving=case.field.moving)

    return make


def unguided(tools: Tools, settings: Settings, seed: int = 0) -> Make:
    """Return the same sampling from the source's own noise, without any guidance."""
    return guided(
        tools, msgspec.structs.replace(settings, weight=0.0, recursions=1, hard_warp_start=None),
        seed,
    )  # fmt: skip


def warped(case: EditCase) -> Image:
    """Return the source warped by hand, without diffusion."""
    return hard_warp(case.image, case.field.flow, case.field.moving).image


def warp_and_sdedit(tools: Tools, strength: float, seed: int = 0) -> Make:
    """Return forward warp and SDEdit (Meng et al., ICLR 2022): noised to `strength`, denoised."""

    @torch.no_grad()
    def make(case: EditCase) -> Image:
        model = tools.model
        grid = Grid(model.alphas_cumprod, SDEDIT_STEPS, 1000 * strength)
        z0 = model.encode(to_tensor(warped(case)))
        noise = torch.randn(z0.shape, generator=torch.Generator().manual_seed(seed))
        noisy = add_noise(grid, grid.timesteps[0], z0, noise.to(z0.device))
        clean = denoise(
            model,
            grid,
            noisy,
            model.embed([case.caption]),
            guidance=SDEDIT_GUIDANCE,
            negative=model.embed([""]),
        )
        return to_image(model.decode(clean))

    return make


def _go_on() -> None:
    """A suite is ended by its process alone."""
