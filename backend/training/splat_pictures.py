"""Splat renders for the training data: shots of made scenes through our own pipeline."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...presets.models.tiny.data.geometry import edges
from ..contract.shot_file import read_shot
from ..stages.pipeline import Workspace, run
from ..stages.takes.exr import EMPTY_DEPTH, LAYER, read_channels

Floats = NDArray[np.float32]


def render_shots(
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda made, total: None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Render each of `folder/shots` that is not rendered yet.

    Shot 000012 becomes the clip `s000012`, and its first frame the picture `s000012`. `progress`
    hears how many are there of how many; `check` may raise to end.
    """
    shots = sorted((folder / "shots").glob("*[0-9]"))
    for number, shot in enumerate(shots):
        progress(number, len(shots))
        clip = folder / "clips" / f"s{shot.name}"
        if not clip.exists():
            with tempfile.TemporaryDirectory(prefix="impetus-") as scratch:
                take = _render(shot, Path(scratch), check)
                _write_samples(shot, take, clip, folder / "pictures" / clip.name)
    progress(len(shots), len(shots))


class _Listener:
    """What the pipeline tells while it works: of no interest here but for the end."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check

    def progress(self, *told: object) -> None: ...

    def frame(self, number: int) -> None: ...

    def log(self, level: str, text: str) -> None: ...


def _render(folder: Path, scratch: Path, check: Callable[[], None]) -> Path:
    for name in ("cache", "take"):
        (scratch / name).mkdir()
    shot, arrays = read_shot(folder / "scene.shot")
    run(shot, arrays, Workspace(scratch / "cache", scratch / "take"), _Listener(check))
    return scratch / "take"


def _write_samples(shot: Path, take: Path, clip: Path, picture: Path) -> None:
    """Write the clip, then the picture of its first frame; each appears whole."""
    about = json.loads((shot / "scene.json").read_text(encoding="utf-8"))
    for folder, frames in ((picture, 1), (clip, int(about["frames"]))):
        draft = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for frame in range(1, frames + 1):
            shutil.copyfile(take / "beauty" / f"{frame:04d}.png", draft / f"color_{frame:04d}.png")
            fields = _geometry(take / "passes" / f"{frame:04d}.exr", moving=frames > 1)
            np.savez_compressed(draft / f"geometry_{frame:04d}.npz", **fields)
        own = about | {"frames": frames}
        own |= {name: about[name][:frames] for name in ("camera_to_world", "intrinsics")}
        (draft / "scene.json").write_text(json.dumps(own, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)


def _geometry(path: Path, *, moving: bool) -> dict[str, Any]:
    """Return the arrays of geometry_0001.npz from a frame's passes."""
    passes = {name.removeprefix(f"{LAYER}."): p for name, p in read_channels(path).items()}

    def joined(name: str, letters: str) -> Floats:
        return np.stack([passes[f"{name}.{letter}"] for letter in letters], -1).astype(np.float32)

    depth = passes["Depth.Z"]
    depth = np.where(depth >= EMPTY_DEPTH, np.float32(np.inf), depth)
    index = np.clip(passes["IndexOB.X"], 0, 255).astype(np.uint8)
    normal = joined("Normal", "XYZ")
    fields: dict[str, Any] = {
        "depth": depth.astype(np.float16),
        "normal": np.rint(np.clip(normal, -1, 1) * 127).astype(np.int8),
        "index": index,
        "edges": edges(depth, normal, index),
    }
    if moving:
        # Blender's Vector: previous - now and now - next, y up.
        fields["backward"] = (joined("Vector", "XY") * (1, -1)).astype(np.float16)
        fields["forward"] = (joined("Vector", "ZW") * (-1, 1)).astype(np.float16)
        fields["valid"] = passes["Motion Valid.Y"] > 0.5
    return fields
