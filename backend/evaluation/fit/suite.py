"""Fit a textured Suzanne to 32 views and look at 8 others; bend her, and look for holes."""

import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....kernels.splats.project import SplatPose
from ...contract.arrays import ArraySet
from ...contract.errors import ImpetusError
from ...contract.fits.files import read_views, write_fitted
from ...contract.fits.fitted import Fitted
from ...contract.fits.views import Views
from ...contract.shot import Body
from ...contract.shot_file import read_shot
from ...splatting.engines import choose_engine
from ...splatting.frames import draw_color
from ...stages.bodies.fitted import rotations
from ...stages.bodies.looks import body_splats
from ...stages.bodies.shape import shape_of
from ...stages.device import start_device
from ...stages.fits.finer import finer_mesh
from ...stages.fits.fit import fit, settings_for
from ...stages.fits.losses import psnr, ssim
from ...stages.fits.targets import Targets, encoded
from ...stages.splats import deformed_axes
from ...training.data_command import blender_command
from .plots import plot
from .twist import silhouette_inside, twisted

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "presets" / "shots" / "suzanne.py"
SPLATS, STEPS = 20_000, 1200
TWIST = 2 * np.pi / 3
"Radians over her height."
MESH_EDGE = 0.03
"Metres of the longest edge of the mesh that is twisted for the true silhouette."


@dataclass(frozen=True)
class Splats:
    """What is looked at, in the body's space: arrays (n, …)."""

    pose: SplatPose
    color: NDArray[np.float32]
    opacity: NDArray[np.float32]


@dataclass(frozen=True)
class Figures:
    """Means over the views; PSNR in dB of screen colours over black, and inside the silhouette."""

    psnr: float
    psnr_worst: float
    psnr_inside: float
    ssim: float
    iou: float


class _Silent:
    """Hears a fit, and tells its steps to nobody but the clock."""

    def began(self, what: str) -> None:
        pass

    def stepped(self, done: int, total: int, *, match: float, splats: int) -> None:
        pass

    def check(self) -> None:
        pass


def run(out: Path, *, quick: bool = False, blender: Path | None = None) -> dict[str, Any]:
    """Measure, and write fit.png into `out`; what Blender renders stays there for the next time.

    `quick` fits for a hundredth of the steps. `blender` is a Blender or a Python with bpy.
    """
    began = time.perf_counter()
    prepare_views(out, blender)
    rendered = time.perf_counter() - began
    views, arrays = read_views(out / "suzanne.views")
    unseen = Targets(*read_views(out / "held_out.views"))
    engine = choose_engine(start_device("auto").name).name
    settings = settings_for(SPLATS, STEPS // 100 if quick else STEPS)
    began = time.perf_counter()
    fitted, made = fit(
        views, arrays, settings, cache=out / "cache", engine=engine, listener=_Silent()
    )
    seconds = time.perf_counter() - began
    write_fitted(out / "suzanne.fit", fitted, made)
    shot, kept = read_shot(out / "baked.shot")
    baked = next(body for body in shot.bodies if body.name == views.name)
    kinds = {
        "fitted": fitted_splats(fitted, made),
        "surface": surface_splats(baked, kept, fitted.mean.shape[0]),
    }
    plot(out / "fit.png", unseen, kinds, {n: bent(s, views, arrays) for n, s in kinds.items()})
    return {
        "splats": fitted.mean.shape[0],
        "views_seconds": rendered,
        "fit_seconds": seconds,
        "seen": asdict(figures(kinds["fitted"], Targets(views, arrays))),
        **{name: asdict(figures(splats, unseen)) for name, splats in kinds.items()},
        "twisted": {n: holes(s, views, arrays, unseen) for n, s in kinds.items()},
    }


def prepare_views(out: Path, blender: Path | None) -> None:
    """Let Blender make what is missing: both sets of views, and the shot with baked light."""
    out.mkdir(parents=True, exist_ok=True)
    names = ("suzanne.views", "held_out.views", "baked.shot")
    if all((out / name).exists() for name in names):
        return
    command = [*blender_command(blender, SCRIPT), "--", "--out", str(out)]
    log = out / "blender.log"
    with log.open("wb") as stream:
        done = subprocess.run(command, stdout=stream, stderr=stream, cwd=ROOT, check=False)
    if missing := [name for name in names if not (out / name).exists()]:
        raise ImpetusError(
            f"Expected {', '.join(missing)} from Blender, which ended with {done.returncode}.",
            f"Look at {log}.",
        )


def fitted_splats(fitted: Fitted, arrays: ArraySet) -> Splats:
    of = arrays.of
    axes = rotations(of(fitted.turn)) * of(fitted.scale)[:, None, :]
    pose = SplatPose(of(fitted.mean), axes.astype(np.float32))
    return Splats(pose, of(fitted.color), of(fitted.opacity))


def surface_splats(body: Body, arrays: ArraySet, count: int) -> Splats:
    """Return what a take shows without a fit: the surface's splats, with Cycles' baked light."""
    shape = shape_of(body, arrays)
    every = np.ones(len(shape.triangles), bool)
    rng = np.random.default_rng(0)
    made = body_splats(body, arrays, shape, seen=every, count=count, thickness=0.0, rng=rng)
    return Splats(SplatPose(made.mean, made.axes, made.backing), made.albedo, made.opacity)


def draw(splats: Splats, targets: Targets, index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return colour (h, w, 3) as a screen shows it, over black, and alpha (h, w)."""
    color, alpha = draw_color(
        splats.pose, targets.camera(index).view(), color=splats.color, opacity=splats.opacity,
        engine="taichi",
    )  # fmt: skip
    return encoded(torch.from_numpy(color)), torch.from_numpy(alpha)


def figures(splats: Splats, targets: Targets) -> Figures:
    """Compare splats with all views."""
    found = []
    for index in range(len(targets)):
        target = targets[index]
        color, alpha = draw(splats, targets, index)
        mine, theirs = alpha > 0.5, target.alpha > 0.5
        overlap = (mine & theirs).sum() / (mine | theirs).sum()
        inside = psnr(color[theirs], target.color[theirs])
        alike = float(ssim(color.clamp(0, 1), target.color.clamp(0, 1)))
        found.append((psnr(color, target.color), inside, alike, float(overlap)))
    whole, inner, similar, iou = np.array(found).T
    return Figures(
        float(whole.mean()), float(whole.min()), float(inner.mean()), float(similar.mean()),
        float(iou.mean()),
    )  # fmt: skip


def bent(splats: Splats, views: Views, arrays: ArraySet) -> Splats:
    """Return splats twisted about the vertical, as a simulation would carry them."""
    mean, gradient = twisted(splats.pose.mean.astype(np.float64), _turn(views, arrays))
    axes = deformed_axes(splats.pose.axes, gradient.astype(np.float32))
    pose = SplatPose(mean.astype(np.float32), axes, splats.pose.backing)
    return Splats(pose, splats.color, splats.opacity)


def holes(splats: Splats, views: Views, arrays: ArraySet, targets: Targets) -> dict[str, float]:
    """Return the least alpha inside the silhouette of the twisted mesh, and what is under 0.98."""
    body, kept = finer_mesh(views.body, arrays, MESH_EDGE)
    vertices = kept.of(body.mesh.vertices).astype(np.float64)
    moved = twisted(vertices, _turn(views, arrays))[0]
    twisted_splats = bent(splats, views, arrays)
    inside = []
    for index in range(len(targets)):
        mask = silhouette_inside(moved, kept.of(body.mesh.triangles), targets.camera(index))
        inside.append(draw(twisted_splats, targets, index)[1].numpy()[mask])
    alpha = np.concatenate(inside)
    return {
        "least_alpha": float(alpha.min()),
        "mean_alpha": float(alpha.mean()),
        "share_under_0.98": float((alpha < 0.98).mean()),
    }


def _turn(views: Views, arrays: ArraySet) -> float:
    """Radians a metre, so that the body's height gets TWIST."""
    height = np.ptp(arrays.of(views.body.mesh.vertices)[:, 2])
    return float(TWIST / height)
