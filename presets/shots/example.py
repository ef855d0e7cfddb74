"""Makes takes of example scenes, one after another.

    BLENDER_PYTHON -P presets/shots/example.py NAME... --out DIR --backend-python PYTHON

Each is a module of `examples` with `build()`; what the backend has to make before there is a
scene, its `prepare(scene, folder, say)` asks for. Its .blend and its take go to DIR/NAME.
"""

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

import bpy

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parents[1]), str(HERE)]  # the extension, and the scenes

import blender_addon  # noqa: E402
from blender_addon import headless, takes  # noqa: E402
from blender_addon.jobs import machine  # noqa: E402
from impetus.backend.contract.launch import connect_or_start  # noqa: E402


def main() -> int:
    """Build, save, make and say where everything is, scene after scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="+", help="modules of the folder examples")
    parser.add_argument("--out", type=Path, required=True, help="folder of the scenes and takes")
    parser.add_argument("--backend-python", type=Path, required=True, help="Python of the backend")
    parser.add_argument("--draft", action="store_true", help="four small, coarse frames only")
    arguments = parser.parse_args()
    out, python = arguments.out.resolve(), arguments.backend_python.absolute()
    home = out / "backend"
    started = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {line}\n")
        sys.stdout.flush()

    blender_addon.register()
    for name in arguments.name:
        example = importlib.import_module(f"examples.{name}")
        scene = example.build()
        if arguments.draft:
            make_draft(scene)
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"{name}.blend"))
        if hasattr(example, "prepare"):
            machine.choose(python=python, home=home)
            example.prepare(scene, folder, say)
            bpy.ops.wm.save_mainfile()
        take = headless.make_take(scene, python=python, home=home, say=say)
        bpy.ops.wm.save_mainfile()
        say(f"{scene.name}: {takes.folder_of(take)}")
    # Examples leave nothing running; an artist's backend stays, and ends by itself when idle
    with connect_or_start(home, python) as client:
        client.shutdown()
    blender_addon.unregister()
    return 0


def make_draft(scene: bpy.types.Scene) -> None:
    """Cut a scene down to four small, coarse frames."""
    scene.frame_end = 4
    scene.render.resolution_percentage = 25
    scene.impetus.resolution, scene.impetus.splats = scene.impetus.resolution // 3, 10_000
    scene.impetus.gas.resolution, scene.impetus.gas.splats = scene.impetus.gas.resolution // 3, 5000
    for thing in scene.objects:
        fit = thing.impetus.fit
        fit.views, fit.size, fit.samples, fit.steps, fit.splats = 6, 64, 4, 60, 2000


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    if bpy.app.version < (4, 5):
        os._exit(status)  # Blender 4.2 as a module crashes when Python frees its classes
    sys.exit(status)
