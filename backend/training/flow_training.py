"""Trains the flow network on rendered clips and pasted cut-outs; the command `impetus train flow`.

Source: RAFT (arXiv 2003.12039), sections 3.4 (loss) and 4 (training).
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..contract.errors import TrainingDataError
from ..diffusion.flow_network import FlowNetwork, FormName, estimate_flow
from ..diffusion.raft.published import CONFIG, FILE, KIND
from .data_set import DataSet
from .flow_augmentation import FlowBatch, as_batch, cut
from .flow_pairs import ClipStep, CutOuts, FlowPair, clip_steps, paste
from .loop import LoopSettings, Losses, TrainingLoop
from .plots import plot_losses
from .run_state import RunState

RUN = "flow_network"
GAMMA = 0.8
LEARNING_RATE = 4e-4
ENOUGH_STEPS = 16
"Steps of clips below which only pasted pairs are drawn."
REFRESH_EVERY = 200
"Steps after which what was added to the data is read."
KEPT_PAIRS = 2500
"Pairs of clips that stay in memory: about a megabyte each."
WATCHED = 12
"Held-out steps of clips whose error is logged."


@dataclass(frozen=True)
class Phase:
    """What training looks like until `end`, a part of the leg."""

    end: float
    size: tuple[int, int]  # (H, W)
    batch: int
    iterations: int
    clips: float  # part of the pairs that are of clips; the others are pasted


PHASES = (
    Phase(0.30, (128, 128), 4, 6, 0.4),
    Phase(0.85, (192, 192), 2, 4, 0.7),
    Phase(1.00, (144, 256), 2, 6, 0.85),
)
"The first leg."
LATER_PHASES = (
    Phase(0.40, (192, 192), 2, 4, 0.7),
    Phase(1.00, (144, 256), 2, 6, 0.85),
)
"The legs after it: large motion and what it hides need room, which small parts do not give."


def train_flow(
    data: Path,
    state: Path,
    minutes: float,
    seed: int = 0,
    *,
    form: FormName = "small",
    start: FlowNetwork | None = None,
    steps: int | None = None,
    device: str = "cpu",
    save_seconds: float = 60.0,
    say: Callable[[str], None] = lambda line: None,
) -> FlowNetwork:
    """Train for `minutes`, or `steps` steps, and return the network with its averaged weights.

    A run that was stopped goes on from `state`; one that had ended goes on with another leg of the
    schedule. A new run begins with the weights of `start`, or with random ones. Log and plot lie in
    `state`. Raises TrainingDataError without pictures in `data`.
    """
    torch.manual_seed(seed)
    source = FlowSource(DataSet(data))
    kept = RunState(state, RUN)
    loop = TrainingLoop(
        start.requires_grad_(True).train() if start is not None else FlowNetwork(form),
        kept,
        LoopSettings(
            minutes=minutes,
            steps=steps,
            seed=seed,
            learning_rate=LEARNING_RATE,
            save_seconds=save_seconds,
            sheet_seconds=300.0,
        ),
        device=device,
    )

    def losses(step: int, generator: torch.Generator) -> Losses:
        if step % REFRESH_EVERY == 0:
            source.refresh()
        phase = phase_at(loop.progress(), loop.place.leg)
        random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        batch = as_batch(source.pairs(phase, random), random)
        return flow_losses(loop.network, batch, phase.iterations, device)

    def watch(step: int) -> None:
        error = held_out_error(loop.averaged(), source.watched)
        say(
            f"Step {step}, {loop.place.seconds / 60:.0f} minutes, {len(source.steps)} steps of "
            f"clips, {len(source.cut_outs.pictures)} pictures: held-out error {error:.2f} px."
        )
        plot_losses(kept, state / f"{RUN}.png")

    loop.run(losses, watch)
    return loop.averaged()


def write_flow_network(network: FlowNetwork, out: Path) -> None:
    """Write what `load_flow_network` opens into the folder `out`: weights in half precision."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.half().cpu() for name, tensor in network.state_dict().items()}
    fresh = out / f"{FILE}.tmp"
    save_file(weights, fresh)
    os.replace(fresh, out / FILE)
    about = {"_class_name": KIND, "form": network.form}
    (out / CONFIG).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


class FlowSource:
    """Where training pairs come from; a data set that may still be growing."""

    def __init__(self, data: DataSet) -> None:
        self.data = data
        self.cut_outs = CutOuts(data)
        self.steps: list[ClipStep] = []
        self.watched: list[ClipStep] = []
        self._kept: dict[tuple[str, int, int], FlowPair] = {}
        self.refresh()
        if not self.cut_outs.pictures:
            raise TrainingDataError(
                f"Expected pictures to learn from in {data.folder}, found none.",
                "Make some first: impetus train data.",
            )

    def refresh(self) -> None:
        self.cut_outs.refresh()
        self.steps = clip_steps(self.data, held_out=False, both_ways=True)
        if len(self.watched) < WATCHED:
            self.watched = clip_steps(self.data, held_out=True, both_ways=False)[:WATCHED]

    def pairs(self, phase: Phase, random: np.random.Generator) -> list[FlowPair]:
        """Draw the pairs of one batch."""
        found = []
        for _ in range(phase.batch):
            if len(self.steps) >= ENOUGH_STEPS and random.random() < phase.clips:
                pair = self._read(self.steps[int(random.integers(len(self.steps)))])
                found.append(cut(pair, phase.size, random))
            else:
                found.append(paste(self.cut_outs, random, phase.size))
        return found

    def _read(self, step: ClipStep) -> FlowPair:
        key = (str(step.clip.folder), step.start, step.end)
        if key not in self._kept:
            pair = step.read()
            if len(self._kept) >= KEPT_PAIRS:
                return pair
            self._kept[key] = pair
        return self._kept[key]


def phase_at(progress: float, leg: int = 0) -> Phase:
    """Return the phase of a run's leg, counted from 0, that is done to `progress`, 0 to 1."""
    phases = LATER_PHASES if leg else PHASES
    return next((phase for phase in phases if progress < phase.end), phases[-1])


def flow_losses(
    network: FlowNetwork, batch: FlowBatch, iterations: int, device: str = "cpu"
) -> dict[str, torch.Tensor]:
    """Return the loss of RAFT's equation 7 over the pixels of known motion, and the last error.

    Hidden pixels whose motion is known count as well.
    """
    known = batch.known.to(device)
    flow = batch.flow.to(device)
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        flows = network(batch.first.to(device), batch.second.to(device), iterations)
    count = known.sum().clamp(min=1)
    loss = torch.zeros((), device=device)
    for i, found in enumerate(flows):
        away = ((found.float() - flow).abs().sum(1, keepdim=True) * known).sum() / count
        loss = loss + GAMMA ** (iterations - 1 - i) * away
    with torch.no_grad():
        error = (torch.linalg.vector_norm(flows[-1] - flow, dim=1, keepdim=True) * known).sum()
    return {"loss": loss, "error": error / count}


def held_out_error(network: FlowNetwork, steps: list[ClipStep]) -> float:
    """Return the mean end-point error [px] over all pixels of known motion; NaN without clips."""
    total, count = 0.0, 0
    for step in steps:
        pair = step.read()
        away = estimate_flow(network, pair.first, pair.second) - pair.flow
        total += float(np.linalg.norm(away, axis=2)[pair.known].sum())
        count += int(pair.known.sum())
    return total / count if count else float("nan")
