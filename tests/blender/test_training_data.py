"""The scenes that the tiny models are trained on: built, rendered and written by Blender."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import OpenEXR
import pytest

SCENES = Path(__file__).parents[2] / "presets" / "models" / "tiny"
sys.path.insert(0, str(SCENES))

from data import rendering, worker  # noqa: E402
from data.passes_file import read_passes  # noqa: E402
from data.samples import write_sample  # noqa: E402
from data.scenes import KINDS, Scene, build  # noqa: E402

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = pytest.mark.blender
RENDER = """
import sys
from pathlib import Path
from impetus.backend.training.splat_pictures import render_shots
render_shots(Path(sys.argv[1]))
"""


def written(scene: Scene, folder: Path, seed: int, *, clip: bool) -> dict:
    """Write a sample with few rays, and return what scene.json says."""
    write_sample(scene, seed, folder, folder.parent / "passes.exr", samples=1, clip=clip)
    return json.loads((folder / "scene.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_shows_things_and_says_so(kind: str, tmp_path: Path) -> None:
    scene = build(5, clip=kind != "smoke", kind=kind, enlarge=0.25)
    about = written(scene, tmp_path / "000005", 5, clip=False)
    assert about["kind"] == kind
    assert len(about["caption"].split()) > 2
    assert "  " not in about["caption"]
    stored = np.load(tmp_path / "000005" / "geometry_0001.npz")
    seen = np.isfinite(stored["depth"])
    assert seen.mean() > 0.02
    assert (stored["index"][seen] > 0).all()
    assert stored["index"].max() <= len(about["objects"])
    assert (stored["index"][~seen] == 0).all()
    color = bpy.data.images.load(str(tmp_path / "000005" / "color_0001.png"))
    assert tuple(color.size) == tuple(about["size"])
    assert np.array(color.pixels[:]).reshape(-1, 4)[:, :3].std() > 0.01, "it is no blank picture"


def test_a_seed_gives_the_same_scene_again(tmp_path: Path) -> None:
    for name in ("first", "second", "other"):
        scene = build(6 if name == "other" else 5, clip=False, kind="objects", enlarge=0.25)
        written(scene, tmp_path / name, 5, clip=False)
    first, second, other = (
        [(tmp_path / name / file).read_bytes() for file in ("scene.json", "color_0001.png")]
        for name in ("first", "second", "other")
    )
    assert first == second
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_a_still_worlds_motion_is_that_of_the_camera(tmp_path: Path) -> None:
    about = written(build(3, clip=True, kind="dunes"), tmp_path / "000003", 3, clip=True)
    first = np.load(tmp_path / "000003" / "geometry_0001.npz")
    (fx, fy, cx, cy), after = np.array(about["intrinsics"][:2])
    here, there = np.array(about["camera_to_world"][:2])
    height, width = first["depth"].shape
    y, x = np.mgrid[0:height, 0:width] + 0.5
    depth = np.where(np.isfinite(first["depth"]), first["depth"].astype(float), 1e6)  # the sky
    points = np.stack([(x - cx) / fx * depth, (y - cy) / fy * depth, depth], -1)
    moved = (points @ here[:3, :3].T + here[:3, 3] - there[:3, 3]) @ there[:3, :3]
    u = after[0] * moved[..., 0] / moved[..., 2] + after[2] - x
    v = after[1] * moved[..., 1] / moved[..., 2] + after[3] - y
    expected = np.stack([u, v], -1)
    length = np.linalg.norm(expected, axis=-1)
    assert length[np.isinf(first["depth"])].mean() > 1, "the sky moves as well"
    assert length[np.isfinite(first["depth"])].mean() > 1
    error = np.linalg.norm(first["forward"] - expected, axis=-1)
    # Half floats keep depth and motion to 1/2048; near things that the camera passes magnify it.
    near = length < 40
    assert near.mean() > 0.5
    assert (error < 0.01 + 0.003 * length)[near].all()


def test_motion_leads_back_where_it_is_valid(tmp_path: Path) -> None:
    written(build(11, clip=True, kind="jelly"), tmp_path / "000011", 11, clip=True)
    first, second = (np.load(tmp_path / "000011" / f"geometry_000{i}.npz") for i in (1, 2))
    forward, valid = first["forward"].astype(float), first["valid"]
    assert 0.3 < valid.mean() < 1
    y, x = np.mgrid[0 : valid.shape[0], 0 : valid.shape[1]]
    u = np.rint(x + forward[..., 0]).astype(int)[valid]
    v = np.rint(y + forward[..., 1]).astype(int)[valid]
    assert (second["index"][v, u] == first["index"][valid]).all()
    back = second["backward"][v, u].astype(float) + forward[valid]
    assert np.quantile(np.linalg.norm(back, axis=-1), 0.95) < 1
    assert not np.load(sorted((tmp_path / "000011").glob("*.npz"))[-1])["valid"].any()


def test_blenders_passes_are_read_as_openexr_reads_them(tmp_path: Path) -> None:
    scene = build(3, clip=False, kind="objects", enlarge=0.25)
    path = tmp_path / "passes.exr"
    rendering.set_up(bpy.context.scene, scene.stage.size, path, samples=1, translucent=False)
    bpy.ops.render.render(write_still=True)
    ours, theirs = read_passes(path), {}
    with OpenEXR.File(str(path), separate_channels=True) as file:
        for part in file.parts:
            for name, channel in part.channels.items():
                theirs[".".join(name.split(".")[-2:])] = np.array(channel.pixels, np.float32)
    assert {"Depth.Z", "Vector.W", "Normal.X", "Combined.R"} <= set(ours) == set(theirs)
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_a_worker_goes_on_where_another_stopped(tmp_path: Path, capsys) -> None:
    options = ["--folder", str(tmp_path), "--enlarge", "0.1", "--samples", "1"]
    options += ["--pictures", "3", "--clips", "1"]
    half, others = (tmp_path / "pictures" / f"000001.{number}.tmp" for number in (7, 8))
    for draft in (half, others):
        draft.mkdir(parents=True)
        (draft / "color_0001.png").write_bytes(b"half")
    os.utime(half, (0, 0))
    assert worker.main([*options, "--limit", "2"]) == worker.MORE_LEFT
    capsys.readouterr()
    assert worker.main(options) == 0
    assert capsys.readouterr().out.count(" s ") == 2
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*"))
    whole = ["clips/000000", *(f"pictures/00000{i}" for i in range(3))]
    assert made == sorted([*whole, "pictures/000001.8.tmp"])  # another may be at work there
    about = json.loads((tmp_path / "clips" / "000000" / "scene.json").read_text())
    assert about["seed"] == worker.SETS["clips"]
    assert about["held_out"] is (about["seed"] % 16 == 0)


def test_workers_share_the_samples_between_them() -> None:
    order = worker.jobs(pictures=20, clips=3)
    assert len(set(order)) == 23
    assert [order.index(("clips", i)) for i in range(3)] == pytest.approx([3, 11, 19], abs=2)


@pytest.mark.skipif(not PYTHON, reason="IMPETUS_BACKEND_PYTHON names no Python (build.py test)")
def test_a_shot_becomes_a_clip_and_a_picture_of_splats(tmp_path: Path) -> None:
    options = ["--folder", str(tmp_path), "--pictures", "0", "--clips", "0", "--shots", "1"]
    assert worker.main([*options, "--enlarge", "0.5", "--seed", "4"]) == 0
    importlib.import_module("blender_addon").unregister()  # a worker's process would end here
    command = [PYTHON, "-P", "-c", RENDER, str(tmp_path)]
    subprocess.run(command, check=True, timeout=280)
    clip, picture = tmp_path / "clips" / "s000000", tmp_path / "pictures" / "s000000"
    about = json.loads((clip / "scene.json").read_text())
    assert (about["renderer"], about["frames"] > 1) == ("splats", True)
    assert json.loads((picture / "scene.json").read_text())["frames"] == 1
    assert (picture / "color_0001.png").read_bytes() == (clip / "color_0001.png").read_bytes()
    first, second = (np.load(clip / f"geometry_000{i}.npz") for i in (1, 2))
    valid = first["valid"]
    assert valid.mean() > 0.2
    y, x = np.mgrid[0 : valid.shape[0], 0 : valid.shape[1]]
    u, v = (np.rint(p + first["forward"][..., i])[valid].astype(int) for i, p in enumerate((x, y)))
    back = second["backward"][v, u].astype(float) + first["forward"][valid]
    assert np.quantile(np.linalg.norm(back, axis=-1), 0.9) < 1
    named = first["index"][first["index"] > 0]
    assert named.max() <= len(about["objects"])
