"""Begins work in a background Blender, on a copy of the file: a bake, or views of an object.

blender --background --factory-startup --python background.py -- ORDER.json
python background.py -- ORDER.json        (a Python with bpy)
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

ORDER: dict[str, Any] = json.loads(Path(sys.argv[-1]).read_text("utf-8"))
sys.path += [path for path in ORDER["paths"] if path not in sys.path]

import bpy  # noqa: E402 (the paths come first: the wheels are not in a factory start)


def load_extension() -> Any:
    """Import the extension's package under a name of its own, whatever its folder is called."""
    folder = Path(ORDER["package"])
    spec = importlib.util.spec_from_file_location(
        "impetus_extension", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["impetus_extension"] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Open the copy and do what the order asks for."""
    load_extension()
    from impetus_extension import properties

    properties.register()
    bpy.ops.wm.open_mainfile(filepath=ORDER["copy"], load_ui=False)
    scene = bpy.data.scenes[ORDER["scene"]]
    match ORDER["task"]:
        case "bake":
            from impetus_extension.jobs import bake_run

            bake_run.run(scene, ORDER)
        case "views":
            from impetus_extension.fits import views_run

            views_run.run(scene, ORDER)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # the result is whole; Blender 4.2's module may crash while Python clears up
