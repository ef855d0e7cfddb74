"""Fit splats to the views of a body: step by step, killed and resumed to the same numbers."""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
import torch

from ...contract.arrays import Array, ArraySet
from ...contract.errors import CancelledError, MemoryShortError, ShotError
from ...contract.fits.fitted import Fitted
from ...contract.fits.views import Views, check_views
from ...splatting.engines import EngineName
from ..bodies.shape import shape_of
from ..cache import FrameCache, stage_key
from .density import Density, DensitySettings
from .losses import fit_loss, psnr
from .splats import FitSplats, Rates
from .start import first_splats
from .targets import Targets, encoded

VERSION = 1
"Raised when a fit makes something else of the same views: old results are then left alone."
SAVE_SECONDS = 20.0
SPLAT_BYTES, PIXEL_BYTES = 2500, 900
"Of one splat, with moments, gradients and records; of one pixel of a step, its losses included."
FREE_SHARE = 0.85
LAST_MEAN_RATE = 0.01
DONE = 0
"The frame of the cache that holds the finished splats."


@dataclass(frozen=True)
class FitSettings:
    """How long and how finely; `structure` weighs D-SSIM against L1, `silhouette` alpha's L1."""

    splats: int = 20_000
    steps: int = 2000
    structure: float = 0.2
    silhouette: float = 1.0
    seed: int = 0
    rates: Rates = field(default_factory=Rates)
    density: DensitySettings = field(default_factory=DensitySettings)


def settings_for(splats: int, steps: int, seed: int = 0) -> FitSettings:
    """Return the settings of a fit that begins with so many splats; density follows its length."""
    density = DensitySettings(
        start=round(0.1 * steps),
        stop=round(0.7 * steps),
        every=max(steps // 20, 1),
        most=3 * splats,
    )
    return FitSettings(splats=splats, steps=steps, seed=seed, density=density)


class FitListener(Protocol):
    """Who hears of a running fit, and may end it."""

    def began(self, what: str) -> None:
        """Something without steps has begun, as "place splats"."""

    def stepped(self, done: int, total: int, *, match: float, splats: int) -> None:
        """So many steps are done; `match` is the PSNR in dB over the views seen last."""

    def check(self) -> None:
        """Raise CancelledError when the fit is to end."""


def fit(
    views: Views,
    arrays: ArraySet,
    settings: FitSettings,
    *,
    cache: Path,
    engine: EngineName,
    listener: FitListener,
) -> tuple[Fitted, ArraySet]:
    """Return splats that look like the body in its views; Taichi has been started.

    The result stays in `cache` under all that it depends on, and so does what a fit that was ended
    has done: the next one goes on from there. The same fit on the same device makes the same
    splats. Raises ShotError, MemoryShortError, DiskFullError, and what `listener.check` raises.
    """
    check_views(views, arrays)
    kept = FrameCache(cache / "fit" / fit_key(views, settings, engine))
    found = kept.find(DONE)
    if found is None:
        _require_memory(views, settings)
        found = _run(views, arrays, settings, kept=kept, engine=engine, listener=listener)
        kept.write(DONE, found)
    result = ArraySet()
    refs = {name: result.add(found[name]) for name in ("mean", "scale", "turn", "color", "opacity")}
    fitted = Fitted(**refs, lit=views.light == "scene", match=float(found["match"]))
    return fitted, result


def fit_key(views: Views, settings: FitSettings, engine: EngineName) -> str:
    """Return the name of all that a fit depends on."""
    return stage_key("prepare", "fit", VERSION, views, asdict(settings), engine)


def _run(
    views: Views,
    arrays: ArraySet,
    settings: FitSettings,
    *,
    kept: FrameCache,
    engine: EngineName,
    listener: FitListener,
) -> dict[str, Array]:
    device = "cuda" if engine == "gsplat" else "cpu"
    listener.began("place splats")
    targets = Targets(views, arrays, device)
    density = Density(settings.density, shape_of(views.body, arrays), targets.extent)
    begun = kept.newest_checkpoint()
    if begun is None:
        first = first_splats(
            views.body, arrays, targets, settings.splats, seed=settings.seed, engine=engine
        )
        splats = FitSplats({n: t.to(device) for n, t in first.items()}, settings.rates)
        done, matches = 0, np.full(len(targets), np.nan)
    else:
        done, state = begun
        density.restore(state, device)
        matches = state.pop("matches").copy()
        splats = FitSplats.restored(state, settings.rates, device)
    saved = time.monotonic()
    listener.began("compile the first step")

    def save(step: int) -> None:
        kept.write_checkpoint(step, splats.arrays() | density.arrays() | {"matches": matches})

    for step in range(done, settings.steps):
        try:
            listener.check()
        except CancelledError:
            save(step)
            raise
        index = view_of_step(settings.seed, step, len(targets))
        matches[index] = _step(splats, targets, index, density, settings, step, engine)
        listener.stepped(
            step + 1, settings.steps, match=float(np.nanmean(matches)), splats=len(splats)
        )
        if time.monotonic() - saved > SAVE_SECONDS:
            save(step + 1)
            saved = time.monotonic()
    return _result(splats, float(np.nanmean(matches)))


def view_of_step(seed: int, step: int, count: int) -> int:
    """Return which view a step looks at: all of them, in an order of its own, then again."""
    order = torch.randperm(count, generator=_generator(seed, step // count, stream=1))
    return int(order[step % count])


def _step(
    splats: FitSplats,
    targets: Targets,
    index: int,
    density: Density,
    settings: FitSettings,
    step: int,
    engine: EngineName,
) -> float:
    """Move the splats towards one view; return how well they matched it before."""
    target = targets[index]
    images = splats.images(target.camera, engine)
    loss = fit_loss(images, target, structure=settings.structure, silhouette=settings.silhouette)
    loss.backward()  # type: ignore[no-untyped-call]
    density.note(splats, target.camera)
    fall = LAST_MEAN_RATE ** (step / settings.steps)
    splats.step(settings.rates.mean * targets.extent * fall)
    density.step(splats, step + 1, _generator(settings.seed, step, stream=2))
    return psnr(encoded(images.color.detach()), target.color)


def _result(splats: FitSplats, match: float) -> dict[str, Array]:
    with torch.no_grad():
        found = {
            "mean": splats.parameters["mean"],
            "scale": splats.scale(),
            "turn": torch.nn.functional.normalize(splats.parameters["turn"], dim=1),
            "color": splats.color(),
            "opacity": splats.opacity(),
        }
        arrays = {name: tensor.cpu().numpy().astype(np.float32) for name, tensor in found.items()}
    broken = ~np.all([np.isfinite(a.reshape(len(a), -1)).all(axis=1) for a in arrays.values()], 0)
    if broken.any():
        raise ShotError(
            "Fit", f"expected finite splats, got {int(broken.sum())} that are not.",
            "Fit it with fewer steps, and report it.",
        )  # fmt: skip
    return arrays | {"match": np.array(match)}


def _generator(seed: int, step: int, *, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 16 + stream) * 2**32 + step)


def _require_memory(views: Views, settings: FitSettings) -> None:
    """Raise MemoryShortError before anything large is made."""
    most = max(settings.density.most, settings.splats)
    pixels = views.film.width * views.film.height
    needed = most * SPLAT_BYTES + pixels * PIXEL_BYTES + views.pictures.nbytes
    free = psutil.virtual_memory().available * FREE_SHARE
    if needed > free:
        raise MemoryShortError(
            f"{views.name}: expected a fit to take up to {free / 2**30:.1f} GiB, but "
            f"{most:,} splats and pictures of {views.film.width} px take {needed / 2**30:.1f} GiB.",
            "Fit fewer splats, or render fewer or smaller views.",
        )
