"""A training sample on disk: renders a built scene and writes it, whole or not at all."""

import json
import os
import shutil
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .geometry import Matrices, edges, sky_motion, valid_motion
from .rendering import Passes, render, set_up
from .scenes import Scene
from .world.palette import Floats, encoded

HELD_OUT_EVERY = 16
FAR = 4096.0
"Motion is bounded to this many pixels, far out of any picture."
STALE_SECONDS = 600.0
"No sample takes so long: a draft that old was left by a process that ended."
_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


def write_sample(
    scene: Scene, seed: int, folder: Path, scratch: Path, *, samples: int, clip: bool
) -> None:
    """Render a scene's frames and write the sample's folder."""
    poses, intrinsics = cameras(scene)
    translucent = scene.stage.translucent
    set_up(
        bpy.context.scene,
        scene.stage.size,
        scratch,
        samples=samples * (2 if translucent else 1),
        translucent=translucent,
    )
    passes = [render(bpy.context.scene, number + 1, exact=clip) for number in range(scene.frames)]
    draft = open_draft(folder)
    gain = _exposure(passes[0].color) if scene.stage.exposed else 1.0
    for number, frame in enumerate(passes, start=1):
        picture = np.rint(encoded(frame.color * np.float32(gain)) * 255).astype(np.uint8)
        _write_png(draft / f"color_{number:04d}.png", picture)
    for number, fields in enumerate(
        _geometry(scene, passes, poses, intrinsics, clip=clip), start=1
    ):
        np.savez_compressed(draft / f"geometry_{number:04d}.npz", **fields)
    about = describe(scene, seed, poses[1:-1], intrinsics[1:-1])
    (draft / "scene.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    close_draft(draft, folder)


def open_draft(folder: Path) -> Path:
    """Make an empty folder beside `folder` for this process: others may make the same sample.

    What a process left half made long ago is removed.
    """
    for left in folder.parent.glob(f"{folder.name}.*tmp"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


def close_draft(draft: Path, folder: Path) -> None:
    """Let a whole draft become `folder`, unless another process was first."""
    try:
        draft.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(draft)


def describe(scene: Scene, seed: int, poses: Matrices, intrinsics: Matrices) -> dict[str, Any]:
    """Return what scene.json says."""
    return {
        "caption": scene.caption,
        "seed": seed,
        "renderer": "cycles",
        "frames": scene.frames,
        "size": list(scene.stage.size),
        "camera_to_world": poses.tolist(),
        "intrinsics": intrinsics.tolist(),
        "held_out": seed % HELD_OUT_EVERY == 0,
        "kind": scene.stage.kind,
        "objects": [thing.object.name for thing in scene.stage.things],
    }


def cameras(scene: Scene) -> tuple[Matrices, Matrices]:
    """Return the poses (n + 2, 4, 4) and intrinsics (n + 2, 4) of frames 0 to n + 1."""
    width, height = scene.stage.size
    poses, intrinsics = [], []
    for number in range(scene.frames + 2):
        bpy.context.scene.frame_set(number)
        poses.append(np.array(scene.camera.matrix_world) @ _TO_OPENCV)
        focal = scene.camera.data.lens / scene.camera.data.sensor_width * max(width, height)
        intrinsics.append([focal, focal, width / 2, height / 2])
    return np.array(poses), np.array(intrinsics)


def _exposure(color: Floats) -> float:
    """Return the gain that keeps a picture's mean brightness between a third and two thirds."""
    mean = float(encoded(color).mean())
    wanted = min(max(mean, 0.36), 0.64)
    return float(min(max((wanted / max(mean, 0.02)) ** 2.2, 0.5), 2.4))


def _geometry(
    scene: Scene, passes: list[Passes], poses: Matrices, intrinsics: Matrices, *, clip: bool
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for i, frame in enumerate(passes):
        fields = {
            "depth": frame.depth.astype(np.float16),
            "normal": np.rint(np.clip(frame.normal, -1, 1) * 127).astype(np.int8),
            "index": frame.index,
            "edges": edges(frame.depth, frame.normal, frame.index),
        }
        if clip:
            for field, step in ((frame.forward, 1), (frame.backward, -1)):
                pair = intrinsics[[i + 1, i + 1 + step]]
                far = sky_motion(scene.stage.size, pair, poses[i + 1], poses[i + 1 + step])
                field[frame.index == 0] = far[frame.index == 0]
            # What the camera passes by goes anywhere on the picture's plane.
            fields["forward"] = np.clip(frame.forward, -FAR, FAR).astype(np.float16)
            fields["backward"] = np.clip(frame.backward, -FAR, FAR).astype(np.float16)
        found.append(fields)
    if clip:
        for fields, (now, after) in zip(found, pairwise(passes), strict=False):
            fields["valid"] = valid_motion(now.forward, after.backward, now.index, after.index)
        # What becomes of the last frame's pixels is not in any picture.
        found[-1]["valid"] = np.zeros(passes[-1].index.shape, bool)
    return found


def _write_png(path: Path, picture: Any) -> None:
    height, width = picture.shape[:2]
    image = bpy.data.images.new("Out", width, height)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = picture[::-1].astype(np.float32) / 255
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
