"""The training loop: schedule, averaging, saving, logging; autoencoder and denoiser run in it.

Every random number of a step comes from the seed and the step's number, so a run that was killed
and goes on makes the bytes that it would have made.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

from .run_state import (
    RunState,
    optimizer_tensors,
    read_tensors,
    restore_optimizer,
    write_tensors,
)

Network = TypeVar("Network", bound=torch.nn.Module)
Losses = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class LoopSettings:
    """How long and how to train. The learning rate falls as a cosine over one leg of training.

    A leg lasts `minutes` of the clock, or `steps` steps where these are given, which makes it the
    same on every machine of a kind. A leg that has ended is followed by a new one.

    `workers` batches are learnt from at a time, each on a core; they wait for each other once a
    step, where the threads of one operation wait at each operation's end: on a machine that does
    other things too that is twice as fast.
    """

    minutes: float
    steps: int | None = None
    seed: int = 0
    learning_rate: float = 1e-3
    warm_up: int = 100  # steps
    averaging: float = 0.999  # of weights, in the long run
    clip: float = 1.0  # norm of the gradient
    workers: int = 1  # threads of Python, each with a batch of its own
    log_every: int = 10  # steps
    save_seconds: float = 120.0
    sheet_seconds: float = 600.0


@dataclass
class Place:
    """Where a run stands: steps in all, and those, the seconds and the length of this leg."""

    step: int = 0
    leg: int = 0
    leg_step: int = 0
    leg_seconds: float = 0.0
    seconds: float = 0.0
    facts: dict[str, float] = field(default_factory=dict)


def generator_of(seed: int, step: int, *, stream: int = 0) -> torch.Generator:
    """Return the generator of one step; streams and seeds are independent of each other."""
    return torch.Generator().manual_seed((seed * 16 + stream) * 2**32 + step)


class TrainingLoop(Generic[Network]):
    """Trains one network; goes on from its run's state where there is one."""

    def __init__(
        self, network: Network, state: RunState, settings: LoopSettings, *, device: str = "cpu"
    ) -> None:
        self.network = network.to(device)
        self.state, self.settings, self.device = state, settings, device
        self.average = {name: t.detach().clone() for name, t in network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=1.0, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.place = Place()
        self._pool = ThreadPoolExecutor(settings.workers, "learn")
        self._restore()

    def run(
        self,
        losses: Callable[[int, torch.Generator], Losses],
        on_sheet: Callable[[int], None] = lambda step: None,
    ) -> None:
        """Train one leg: minimise losses(step, generator)["loss"]; `on_sheet` looks at it."""
        if self.progress() >= 1.0:
            self.place.leg, self.place.leg_step, self.place.leg_seconds = self.place.leg + 1, 0, 0.0
        saved = shown = before = time.monotonic()
        while self.progress() < 1.0:
            values = self._step(losses)
            now = time.monotonic()
            self.place.leg_seconds += now - before
            self.place.seconds += now - before
            before = now
            if self.place.step % self.settings.log_every == 0:
                self._log(values)
            self.place.step += 1
            self.place.leg_step += 1
            self._keep_half()
            if now - saved > self.settings.save_seconds:
                self.save()
                saved = time.monotonic()
            if now - shown > self.settings.sheet_seconds:
                on_sheet(self.place.step)
                shown = before = time.monotonic()
        self.save()
        on_sheet(self.place.step)

    def progress(self) -> float:
        """Return how much of this leg is done, 0 to 1 and beyond."""
        if self.settings.steps is not None:
            return self.place.leg_step / self.settings.steps
        return self.place.leg_seconds / (60 * self.settings.minutes)

    def averaged(self) -> Network:
        """Return a copy of the network with the averaged weights, for use."""
        network = copy.deepcopy(self.network)
        network.load_state_dict(self.average)
        return network.eval().requires_grad_(False)

    def save(self) -> None:
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        tensors |= {f"average.{name}": t for name, t in self.average.items()}
        self.state.save(tensors | optimizer_tensors(self.optimizer), vars(self.place))

    def _step(self, losses: Callable[[int, torch.Generator], Losses]) -> Losses:
        rate = self._learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        if self.settings.workers == 1:
            values = losses(self.place.step, generator_of(self.settings.seed, self.place.step))
            values["loss"].backward()  # type: ignore[no-untyped-call]
        else:
            values = self._learn_together(losses)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        if torch.isfinite(norm):  # one bad batch is left out, rather than the run lost
            self.optimizer.step()
            self._average()
        return {**values, "gradient": norm, "learning_rate": torch.tensor(rate)}

    def _learn_together(self, losses: Callable[[int, torch.Generator], Losses]) -> Losses:
        """Leave the mean gradient of all workers' batches; return the means of their losses."""
        parameters = [p for p in self.network.parameters() if p.requires_grad]

        def learn(worker: int) -> tuple[Losses, Sequence[torch.Tensor | None]]:
            torch.set_num_threads(1)
            generator = generator_of(self.settings.seed, self.place.step, stream=worker)
            values = losses(self.place.step, generator)
            found = torch.autograd.grad(values["loss"], parameters, allow_unused=True)
            return {name: value.detach() for name, value in values.items()}, found

        count = self.settings.workers
        values, gradients = zip(*self._pool.map(learn, range(count)), strict=True)
        for parameter, *parts in zip(parameters, *gradients, strict=True):
            known = [part for part in parts if part is not None]
            parameter.grad = sum(known[1:], known[0]).div_(count) if known else None
        return {name: torch.stack([v[name] for v in values]).mean() for name in values[0]}

    def _learning_rate(self) -> float:
        warm = min(1.0, (self.place.leg_step + 1) / self.settings.warm_up)
        cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, self.progress()))
        return self.settings.learning_rate * warm * (0.01 + 0.99 * cosine)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.averaging, (1 + self.place.step) / (10 + self.place.step))
        current = self.network.state_dict()
        for name, mean in self.average.items():
            if mean.is_floating_point():
                mean.lerp_(current[name].detach(), 1 - decay)

    def _log(self, values: Losses) -> None:
        entry = {"step": self.place.step, "seconds": round(self.place.seconds, 1)}
        self.state.log(entry | {name: float(f"{v.item():.5g}") for name, v in values.items()})

    def _keep_half(self) -> None:
        """Keep the weights of halfway through the first leg: evaluation compares with them."""
        path = self.state.folder / f"{self.state.name}_half.safetensors"
        if self.place.leg == 0 and self.progress() >= 0.5 and not path.exists():
            write_tensors(path, self.average, {"step": self.place.step})

    def _restore(self) -> None:
        kept = self.state.load()
        if kept is None:
            return
        tensors, progress = kept
        self.place = Place(**progress)
        self.network.load_state_dict(_part(tensors, "network."))
        self.average = {k: t.to(self.device) for k, t in _part(tensors, "average.").items()}
        restore_optimizer(self.optimizer, tensors)


def begin_with(network: torch.nn.Module, state: RunState) -> None:
    """Keep weights that were trained elsewhere as the end of a run's first leg."""
    loop = TrainingLoop(network, state, LoopSettings(minutes=0.0))
    loop.place.leg = 1
    loop.save()


def load_average(state: RunState, network: Network) -> Network:
    """Return `network` with the averaged weights of a run, for use."""
    tensors, _ = read_tensors(state.path)
    network.load_state_dict(_part(tensors, "average."))
    return network.eval().requires_grad_(False)


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
