"""The extension's zip as an artist installs it: unpacked, enabled and importing its own wheels."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLENDER = os.environ.get("IMPETUS_BLENDER") or shutil.which("blender")

INSTALL = """
import json, os, sys, bpy
done = bpy.ops.extensions.package_install_files(
    filepath=sys.argv[1], repo="user_default", enable_on_install=True
)
"""
# The environment's own impetus, zmq and msgspec step aside, so that the wheels must serve.
IMPORT = """
local = [path for path in sys.path if path.endswith("site-packages") and "extensions" in path]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.path[:0] = local
for name in [name for name in sys.modules if name.split(".")[0] in ("impetus", "zmq", "msgspec")]:
    del sys.modules[name]
import impetus.backend.contract.messages, impetus.backend.cameras.track, zmq, msgspec
modules = (impetus.backend.contract.messages, impetus.backend.cameras.track, zmq, msgspec)
enabled = [name for name in bpy.context.preferences.addons.keys() if name.endswith(".impetus")]
files = [module.__file__ for module in modules]
print(json.dumps({"enabled": enabled, "files": files}), flush=True)
os._exit(0)  # Blender 4.2's module crashes when Python frees classes with functions
"""
RENDER = """
import bmesh
from pathlib import Path
from bl_ext.user_default.impetus import headless
from impetus.backend.contract.launch import connect_or_start

bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, 3
scene.render.resolution_x, scene.render.resolution_y = 64, 36
mesh, shape = bpy.data.meshes.new("Cube"), bmesh.new()
bmesh.ops.create_cube(shape, size=0.5)
shape.to_mesh(mesh)
cube = bpy.data.objects.new("Cube", mesh)
cube.location.z, cube.impetus.role = 0.5, "DYNAMIC"
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.location, camera.rotation_euler = (0, -3, 0.5), (1.5708, 0, 0)
lamp = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
for thing in (cube, camera, lamp):
    scene.collection.objects.link(thing)
scene.camera = camera
scene.impetus.use_ground, scene.impetus.resolution, scene.impetus.splats = True, 16, 500
bpy.ops.wm.save_as_mainfile(filepath=str(Path(sys.argv[2]) / "cube.blend"))
home, python = Path(sys.argv[2]) / "home", Path(sys.argv[3])
take = headless.make_take(scene, python=python, home=home)
with connect_or_start(home, python) as client:
    client.shutdown()
frames = sorted(path.name for path in Path(sys.argv[2]).glob("impetus/*/beauty/*.png"))
print(json.dumps({"state": take.state, "frames": frames}), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(ROOT / "build.py"), "extension", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("impetus-*.zip"))


def test_blender_installs_enables_and_imports_the_zip(extension_zip: Path, tmp_path: Path) -> None:
    variables = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path)}
    command = [sys.executable, "-P", "-c", INSTALL + IMPORT, str(extension_zip)]
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["enabled"] == ["bl_ext.user_default.impetus"]
    assert all(Path(file).is_relative_to(tmp_path) for file in answer["files"]), answer["files"]


def test_what_the_zip_installs_makes_a_take(extension_zip: Path, tmp_path: Path) -> None:
    variables = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")}
    python = os.environ["IMPETUS_BACKEND_PYTHON"]
    command = [sys.executable, "-P", "-c", INSTALL + RENDER, extension_zip, tmp_path, python]
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer == {"state": "done", "frames": ["0001.png", "0002.png", "0003.png"]}


@pytest.mark.window
@pytest.mark.skipif(
    not BLENDER, reason="needs a Blender with a window, as IMPETUS_BLENDER or on PATH"
)
def test_a_whole_blender_accepts_the_zip(extension_zip: Path, tmp_path: Path) -> None:
    """Blender's own commands; afterwards the add-on must be enabled, whatever the status says."""
    variables = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path)}
    extension = [str(BLENDER), "--command", "extension"]
    ask = "import bpy; print([n for n in bpy.context.preferences.addons.keys() if 'impetus' in n])"
    for command in (
        [*extension, "validate", str(extension_zip)],
        [*extension, "install-file", "-r", "user_default", "-e", str(extension_zip)],
        [str(BLENDER), "--background", "--python-expr", ask],
    ):
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "['bl_ext.user_default.impetus']" in done.stdout
