"""The suite `motion`: the motion field and its validity against traced truth, with plots."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, maximum_filter, minimum_filter

from ....kernels.splats.raster import SOLID, Passes, render_splats
from ....kernels.warp import follow, motion_validity
from .scenes import Scene, Truth, cover, pose_at, scenes, trace

TIME = 3.0
"Frame at which each scene is measured, against the next and the previous one."


@dataclass(frozen=True)
class MotionFigures:
    """How one field, to the next or the previous frame, compares with the truth.

    Errors in pixels over the pixels that bodies fill; `depth_error` relative, and `match` in dB
    between this frame and the other one sampled along the field, where valid: both off the
    outlines, where pixels are of two surfaces; `recall` the part of truly
    visible pixels that are valid, `false_alarm` the part of truly hidden ones, not beside a visible
    one, that are.
    """

    mean_error: float
    worst_percentile: float
    depth_error: float
    match: float
    recall: float
    false_alarm: float


@dataclass(frozen=True)
class Measured:
    """One direction of one scene: figures, and the images behind them."""

    figures: MotionFigures
    error: NDArray[np.float64]
    truth: Truth
    valid: NDArray[np.bool_]
    passes: Passes


def run(out: Path) -> dict[str, Any]:
    """Measure all scenes, write motion.png into `out`, return the figures by scene and direction.

    Taichi must have been started.
    """
    out.mkdir(parents=True, exist_ok=True)
    measured = {
        scene.name: {"forward": measure(scene, 1), "backward": measure(scene, -1)}
        for scene in scenes(640, 360, density=4.0)
    }
    _plot(measured, out / "motion.png")
    return {
        name: {direction: asdict(one.figures) for direction, one in both.items()}
        for name, both in measured.items()
    }


def measure(scene: Scene, direction: int) -> Measured:
    """Compare the field from TIME to TIME + direction with the truth."""
    splats = cover(scene)

    def render(time: float) -> Passes:
        pose, normal = pose_at(scene, splats, time)
        around = [(pose_at(scene, splats, t)[0], scene.camera(t)) for t in (time - 1, time + 1)]
        return render_splats(
            pose,
            scene.camera(time),
            color=splats.color,
            opacity=splats.opacity,
            normal=normal,
            index=splats.index,
            before=around[0],
            after=around[1],
        )

    here, there = render(TIME), render(TIME + direction)
    truth = trace(scene, TIME, TIME + direction)
    motion, depth = (
        (here.forward, here.depth_after) if direction > 0 else (here.backward, here.depth_before)
    )
    valid = motion_validity(motion, depth, there.depth, other_alpha=there.alpha)
    error = np.linalg.norm(motion - truth.motion, axis=-1)
    figures = _figures(here, there, truth, motion, valid, error)
    return Measured(figures, error, truth, valid, here)


def _figures(
    here: Passes,
    there: Passes,
    truth: Truth,
    motion: NDArray[np.float32],
    valid: NDArray[np.bool_],
    error: NDArray[np.float64],
) -> MotionFigures:
    filled = (here.alpha >= SOLID) & (here.index == truth.index)
    # On an outline the pixel's colour and depth are of two surfaces.
    inner = filled & (maximum_filter(truth.index, 3) == minimum_filter(truth.index, 3))
    difference = (follow(there.color, motion) - here.color)[valid & inner]
    depth_error = np.abs(here.depth[inner] / truth.depth[inner] - 1)
    hidden = binary_erosion(~truth.visible, np.ones((3, 3)))
    return MotionFigures(
        mean_error=float(error[filled].mean()),
        worst_percentile=float(np.percentile(error[filled], 99)),
        depth_error=float(depth_error.mean()),
        match=float(-10 * np.log10(np.mean(difference**2) + 1e-12)),
        recall=float(valid[truth.visible].mean()),
        false_alarm=float(valid[hidden].mean()) if hidden.any() else 0.0,
    )


def _plot(measured: dict[str, dict[str, Measured]], path: Path) -> None:
    """One row per scene: picture, motion, error, validity against visibility."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(18, 2.7 * len(measured)), layout="constrained")
    grid = figure.subplots(len(measured), 4)
    for row, (name, both) in zip(grid, measured.items(), strict=True):
        one = both["forward"]
        figures = one.figures
        row[0].imshow(np.clip(one.passes.color, 0, 1) ** (1 / 2.2))
        row[0].set_title(f"{name}: frame t")
        length = np.linalg.norm(one.passes.forward, axis=-1)
        bar = row[1].imshow(length, vmax=np.percentile(length, 99.5))
        row[1].set_title("motion forward [px]")
        figure.colorbar(bar, ax=row[1])
        bar = row[2].imshow(np.log10(one.error + 1e-5), vmin=-4, vmax=1)
        row[2].set_title(f"log10 error [px], mean {figures.mean_error:.4f}")
        figure.colorbar(bar, ax=row[2])
        picture = np.zeros((*one.valid.shape, 3))
        picture[one.valid & one.truth.visible] = 0.85
        picture[one.valid & ~one.truth.visible] = (1, 0, 0)
        picture[~one.valid & one.truth.visible] = (0.2, 0.4, 1)
        row[3].imshow(picture)
        row[3].set_title(
            f"valid {figures.recall:.1%} of visible, red: {figures.false_alarm:.1%} of hidden"
        )
    for axis in grid.ravel():
        axis.set_axis_off()
    figure.savefig(path, dpi=70)
