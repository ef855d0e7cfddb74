"""What build.py itself can check of an extension's zip, by Blender's rules; called by extension."""

import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from .console import BuildError

REQUIRED = ("schema_version", "id", "version", "name", "tagline", "maintainer", "type", "license",
            "blender_version_min", "platforms", "wheels", "permissions")  # fmt: skip
PERMISSIONS = {"files", "network", "clipboard", "camera", "microphone"}
OUR_MODULES = ("impetus/backend/contract/shot.py", "impetus/backend/cameras/track.py",
               "impetus/backend/py.typed")  # fmt: skip


def check_zip(path: Path, platform: str, pythons: tuple[str, ...]) -> None:
    """Raise BuildError on the first thing that Blender or our extension would stumble over."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
        check_manifest(manifest, platform)
        if "__init__.py" not in names:
            raise BuildError(f"{path.name} has no __init__.py at its top.")
        listed = {name.removeprefix("./") for name in manifest["wheels"]}
        missing = sorted(listed - names)
        if missing:
            raise BuildError(f"{path.name} lists wheels that it does not hold: {missing}.")
        check_wheels(sorted(listed), pythons)
        ours = next(name for name in listed if name.startswith("wheels/impetus-"))
        check_our_wheel(archive, ours)


def check_manifest(manifest: dict[str, Any], platform: str) -> None:
    absent = [key for key in REQUIRED if key not in manifest]
    if absent:
        raise BuildError(f"blender_manifest.toml lacks {', '.join(absent)}.")
    if manifest["platforms"] != [platform]:
        raise BuildError(f"The manifest names {manifest['platforms']}, expected {platform}.")
    sentences = {"tagline": manifest["tagline"]} | manifest["permissions"]
    for key, sentence in sentences.items():
        if len(sentence) > 64 or not sentence[-1].isalnum():
            raise BuildError(f"{key} must be one sentence of 64 characters without a full stop.")
    unknown = set(manifest["permissions"]) - PERMISSIONS
    if unknown:
        raise BuildError(f"Blender knows no permission {sorted(unknown)}.")


def check_wheels(wheels: list[str], pythons: tuple[str, ...]) -> None:
    """Every Python must find exactly one wheel of every package, by Blender's own reading."""
    packages: dict[str, list[str]] = {}
    for wheel in wheels:
        package, _, _, abi, _ = Path(wheel).stem.split("-")
        packages.setdefault(package, []).append(abi)
    for package, abis in packages.items():
        if any(abi.startswith("abi") for abi in abis):
            raise BuildError(f"{package} is packed as abi3, which Blender drops beside cp311.")
        wanted = {"none"} if abis == ["none"] else {f"cp{v.replace('.', '')}" for v in pythons}
        if sorted(wanted) != sorted(abis):
            raise BuildError(f"{package} has wheels for {sorted(abis)}, expected {sorted(wanted)}.")


def check_our_wheel(archive: zipfile.ZipFile, name: str) -> None:
    with archive.open(name) as file, zipfile.ZipFile(file) as wheel:
        names = set(wheel.namelist())
    absent = [module for module in OUR_MODULES if module not in names]
    if absent:
        raise BuildError(f"{name} lacks {', '.join(absent)}.")
    if not any(re.fullmatch(r"impetus/presets/materials/\w+\.toml", name) for name in names):
        raise BuildError(f"{name} holds no material presets.")
    if any("__pycache__" in name for name in names) or "impetus/__init__.py" in names:
        raise BuildError(f"{name} holds a cache or makes `impetus` a regular package.")
