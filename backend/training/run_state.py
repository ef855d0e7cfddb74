"""What a training keeps on disk, so that it may be killed at any time and go on: state and log.

One safetensors file holds every tensor and, in its metadata, the progress as JSON; it is written
beside the old one and then replaces it, so there is always a whole one.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

Progress = dict[str, Any]


class RunState:
    """The files of one run, `name`.safetensors and `name`.jsonl, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.path = folder / f"{name}.safetensors"
        self.log_path = folder / f"{name}.jsonl"

    def save(self, tensors: Mapping[str, torch.Tensor], progress: Progress) -> None:
        write_tensors(self.path, tensors, progress)

    def load(self) -> tuple[dict[str, torch.Tensor], Progress] | None:
        """Return tensors and progress, or None before the first save; trims the log to them."""
        if not self.path.exists():
            self.log_path.unlink(missing_ok=True)
            return None
        tensors, progress = read_tensors(self.path)
        kept = [entry for entry in self.entries() if entry["step"] < progress["step"]]
        lines = "".join(f"{json.dumps(entry)}\n" for entry in kept)
        fresh = self.log_path.with_suffix(".tmp")
        fresh.write_text(lines, "utf-8")
        os.replace(fresh, self.log_path)
        return tensors, progress

    def log(self, entry: Progress) -> None:
        with self.log_path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(entry)}\n")

    def entries(self) -> Iterator[Progress]:
        """Yield what was logged; a last line that a kill cut short is left out."""
        if not self.log_path.exists():
            return
        for line in self.log_path.read_text("utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], about: Progress) -> None:
    """Write a safetensors file with `about` in its metadata, whole or not at all."""
    fresh = path.with_name(f"{path.name}.tmp")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, fresh, {"progress": json.dumps(about, sort_keys=True)})
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(fresh, path)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], Progress]:
    """Read what `write_tensors` wrote."""
    with safe_open(path, "pt") as file:
        about: Progress = json.loads(file.metadata()["progress"])
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return an optimiser's moments by name, `optimizer.INDEX.NAME`."""
    found = {}
    for index, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            found[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
    return found


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Put back what `optimizer_tensors` returned."""
    whole = optimizer.state_dict()
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            whole["state"].setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict(whole)
