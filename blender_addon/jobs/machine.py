"""Where this install keeps things, and which Python runs its backend."""

from pathlib import Path

import bpy

from impetus.backend.contract.errors import LinkError
from impetus.backend.contract.keys import user_folder

from .backend_setup import backend_python, can_diffuse, is_ready

EXTENSION = Path(__file__).parents[1]
PACKAGE = __package__.rpartition(".")[0]
_chosen: dict[str, Path] = {}


def choose(*, python: Path | None = None, home: Path | None = None) -> None:
    """Use this backend in this process: for the command line and for tests."""
    _chosen.clear()
    _chosen.update({"python": python} if python else {})
    _chosen.update({"home": home} if home else {})


def home() -> Path:
    """Return the backend's home; all of a user's Blenders share one."""
    return _chosen.get("home") or user_folder()


def environment_folder() -> Path:
    """Return where Set Up Backend makes the environment."""
    return _own_folder() / "backend"


def cache_folder() -> Path:
    """Return a folder for what can be made again."""
    folder = _own_folder() / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def has_backend() -> bool:
    """Return whether there is a Python to run the backend with."""
    return _named_python() is not None or is_ready(environment_folder(), _wheel())


def is_outdated() -> bool:
    """Return whether the environment is there, but of another version of the extension."""
    folder = environment_folder()
    return is_ready(folder, None) and not is_ready(folder, _wheel())


def lacks_diffusion() -> bool:
    """Return whether the environment is there without what diffusion needs."""
    return _named_python() is None and has_backend() and not can_diffuse(environment_folder())


def can_set_up() -> bool:
    """Return whether the extension carries the backend's wheel; a checkout does not."""
    return _wheel() is not None


def python() -> Path:
    """Return the backend's Python. Raises LinkError where there is none yet."""
    if (named := _named_python()) is not None:
        return named
    if not is_ready(environment_folder(), _wheel()):
        raise LinkError("The backend is not set up.", "Press Set Up Backend.")
    return backend_python(environment_folder())


def preferences() -> bpy.types.AddonPreferences | None:
    """Return the extension's preferences; None where it is used as a plain package."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return addon.preferences if addon else None


def _named_python() -> Path | None:
    if "python" in _chosen:
        return _chosen["python"]
    chosen = preferences()
    return (
        Path(bpy.path.abspath(chosen.backend_python)) if chosen and chosen.backend_python else None
    )


def _wheel() -> Path | None:
    return next(iter(sorted((EXTENSION / "wheels").glob("impetus-*.whl"))), None)


def _own_folder() -> Path:
    if PACKAGE.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(PACKAGE, create=True))
    return user_folder() / "extension"
