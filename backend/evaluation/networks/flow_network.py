"""The suite `flow-network`: the flow network beside classical flow on held-out renders.

Errors are end-point errors in pixels (as in S. Baker et al., A Database and Evaluation Methodology
for Optical Flow, IJCV 2011), over all pixels of known motion, those that the next frame hides too.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ...contract.errors import TrainingDataError
from ...contract.keys import user_folder
from ...diffusion.flow_network import FlowNetwork, estimate_flow, load_flow_network
from ...diffusion.models import to_tensor
from ...training.data_set import DataSet
from ...training.flow_pairs import FlowPair, clip_steps
from .flow_network_plots import Shown, plot_bars, plot_iterations, plot_pairs

Estimate = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]

WIDTH = 256
LEAST_MOTION = 6.0
"Pixels: pairs whose pixels move less on average are left out of the main table."
SPEEDS = (0.0, 2.0, 8.0, 16.0, 32.0, np.inf)
COUNTS = (2, 4, 8, 12, 16, 24)
TARGET = 0.6
"The network's error as a part of that of DIS, medium preset."
NETWORK, ONCE, BAR = "flow network", "its plain pass", "DIS, medium"


@dataclass(frozen=True)
class Case:
    """A held-out pair and its name."""

    name: str
    pair: FlowPair

    @property
    def speed(self) -> NDArray[np.float32]:
        return np.asarray(np.linalg.norm(self.pair.flow, axis=2))

    @property
    def mean_speed(self) -> float:
        return float(self.speed[self.pair.known].mean())


def run(
    out: Path,
    *,
    device: str = "auto",
    data: Path | None = None,
    name: str = "flow",
    models_folder: Path | None = None,
) -> dict[str, Any]:
    """Measure on the held-out clips of `data`, write table and plots into `out`, return figures.

    Raises TrainingDataError without such clips, ModelError without the network.
    """
    out.mkdir(parents=True, exist_ok=True)
    network = load_flow_network(name, models_folder, device)
    cases = held_out_cases(data or user_folder() / "training" / "data")
    fast = [case for case in cases if case.mean_speed >= LEAST_MOTION]
    found = {method: measure(estimate, cases) for method, estimate in methods(network).items()}
    tables = {
        "moving": {method: figures_of(fast, found[method]) for method in found},
        "all": {method: figures_of(cases, found[method]) for method in found},
    }
    curve = {
        count: figures_of(fast, measure(partial(estimate_flow, network, iterations=count), fast))[
            "error"
        ]
        for count in COUNTS
    }
    results = {
        "pairs": {label: about(group) for label, group in (("moving", fast), ("all", cases))},
        "tables": tables,
        "error_by_iterations": curve,
        "ratio_to_dis": tables["moving"][NETWORK]["error"] / tables["moving"][BAR]["error"],
        "target": TARGET,
    }
    (out / "table.txt").write_text(text_of(results), encoding="utf-8")
    plot_bars(tables["moving"], speed_labels(), out / "errors.png")
    plot_iterations(curve, tables["moving"][BAR]["error"], out / "iterations.png")
    plot_pairs(_shown(fast, found), out / "pairs.png")
    return results


def held_out_cases(folder: Path) -> list[Case]:
    """Read the held-out clips' steps, 256 px wide; raise TrainingDataError if none moves."""
    cases = [
        Case(f"{step.clip.folder.name}, frame {step.start}", step.read())
        for step in clip_steps(DataSet(folder), held_out=True, both_ways=False)
        if max(step.clip.size) == WIDTH
    ]
    if not any(case.mean_speed >= LEAST_MOTION for case in cases):
        raise TrainingDataError(
            f"Expected held-out clips that move by {LEAST_MOTION:g} px or more in {folder}, "
            f"got {len(cases)} pairs and none such.",
            "Make more data first; every sixteenth scene is held out.",
        )
    return cases


def methods(network: FlowNetwork) -> dict[str, Estimate]:
    """Return what is compared, by name."""

    def dis(*, full_size: bool) -> Estimate:
        algorithm = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        if full_size:
            algorithm.setFinestScale(0)
            algorithm.setPatchStride(1)
            algorithm.setGradientDescentIterations(50)
        return lambda first, second: _floats(
            algorithm.calc(_grey(first), _grey(second), np.zeros((*first.shape[:2], 2), np.float32))
        )

    return {
        NETWORK: partial(estimate_flow, network),
        ONCE: partial(_estimated_once, network),
        BAR: dis(full_size=False),
        "DIS, finest": dis(full_size=True),
        "Farneback": farneback,
        "no motion": lambda first, second: np.zeros((*first.shape[:2], 2), np.float32),
    }


@torch.inference_mode()
def _estimated_once(
    network: FlowNetwork, first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Estimate as the published networks are used: at one size, without the mirror image."""
    device = next(network.parameters()).device
    one, other = (to_tensor(picture).to(device) for picture in (first, second))
    flow = network.estimate(one, other)
    return _floats(flow[0].permute(1, 2, 0).cpu().numpy())


def farneback(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Estimate by polynomial expansion: 5 levels, windows of 21 px, 5 iterations."""
    start = np.zeros((*first.shape[:2], 2), np.float32)
    return _floats(
        cv2.calcOpticalFlowFarneback(_grey(first), _grey(second), start, 0.5, 5, 21, 5, 7, 1.5, 0)
    )


@dataclass(frozen=True)
class Measured:
    """One method's flows of all cases, by the cases' names, and the seconds of one."""

    flows: dict[str, NDArray[np.float32]]
    seconds: float


def measure(estimate: Estimate, cases: list[Case]) -> Measured:
    """Estimate all cases on one thread; the first one is done twice, so that nothing is cold."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    estimate(cases[0].pair.first, cases[0].pair.second)
    start = time.process_time()
    flows = {case.name: estimate(case.pair.first, case.pair.second) for case in cases}
    seconds = (time.process_time() - start) / len(cases)
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])
    return Measured(flows, seconds)


def figures_of(cases: list[Case], measured: Measured) -> dict[str, Any]:
    """Pool the pixels of all cases: errors by what they are, the part of them that is far off."""
    away = [
        np.linalg.norm(measured.flows[case.name] - case.pair.flow, axis=2)[case.pair.known]
        for case in cases
    ]
    speed = np.concatenate([case.speed[case.pair.known] for case in cases])
    seen = np.concatenate([case.pair.visible[case.pair.known] for case in cases])
    error = np.concatenate(away)
    bins = [(speed >= low) & (speed < high) for low, high in pairwise(SPEEDS)]
    return {
        "error": float(error.mean()),
        "visible": float(error[seen].mean()),
        "hidden": float(error[~seen].mean()) if (~seen).any() else None,
        "by_speed": [float(error[part].mean()) if part.any() else None for part in bins],
        "over_3_px": float((error > 3).mean()),
        "median_pair": float(np.median([one.mean() for one in away])),
        "seconds": measured.seconds,
    }


def about(cases: list[Case]) -> dict[str, Any]:
    """Say what a group of pairs is like."""
    speed = np.concatenate([case.speed[case.pair.known] for case in cases])
    return {
        "count": len(cases),
        "mean_motion": float(speed.mean()),
        "largest_motion": float(speed.max()),
        "pairs_that_reach_32": sum(bool((case.speed >= 32).any()) for case in cases),
        "visible": float(np.mean([case.pair.visible[case.pair.known].mean() for case in cases])),
    }


def speed_labels() -> list[str]:
    ends = [f"{low:g}-{high:g}" for low, high in pairwise(SPEEDS[:-1])]
    return [*ends, f"{SPEEDS[-2]:g}+"]


def text_of(results: dict[str, Any]) -> str:
    """Return the tables as text."""
    lines = []
    for group, rows in results["tables"].items():
        told = results["pairs"][group]
        lines.append(
            f"Held-out pairs of {WIDTH} px, {group}: {told['count']}; motion "
            f"{told['mean_motion']:.1f} px on average, up to "
            f"{told['largest_motion']:.0f}; {told['visible']:.0%} visible."
        )
        columns = ["error", "visible", "hidden", *speed_labels(), ">3 px", "median", "ms"]
        lines.append(f"{'[px]':14}" + "".join(f"{column:>9}" for column in columns))
        for method, row in rows.items():
            values = [row["error"], row["visible"], row["hidden"], *row["by_speed"]]
            cells = [f"{'-' if value is None else f'{value:.2f}':>9}" for value in values]
            cells += [f"{row['over_3_px']:>9.1%}", f"{row['median_pair']:>9.2f}"]
            lines.append(f"{method:14}" + "".join(cells) + f"{1000 * row['seconds']:>9.1f}")
        lines.append("")
    lines.append(
        f"The network's error is {results['ratio_to_dis']:.2f} of that of {BAR}; "
        f"wanted is {TARGET} or less."
    )
    curve = ", ".join(f"{n}: {error:.2f}" for n, error in results["error_by_iterations"].items())
    lines.append(f"By iterations: {curve}.")
    return "\n".join(lines) + "\n"


def _shown(cases: list[Case], found: dict[str, Measured]) -> list[Shown]:
    """Choose six pairs, from the best to the worst of the network's."""
    flows = found[NETWORK].flows
    order = sorted(
        cases,
        key=lambda case: float(np.linalg.norm(flows[case.name] - case.pair.flow, axis=2).mean()),
    )
    chosen = [order[i] for i in np.unique(np.linspace(0, len(order) - 1, 6).astype(int))]
    return [
        Shown(case.name, case.pair, {m: found[m].flows[case.name] for m in (NETWORK, BAR)})
        for case in chosen
    ]


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _floats(flow: Any) -> NDArray[np.float32]:
    return np.asarray(flow, np.float32)
