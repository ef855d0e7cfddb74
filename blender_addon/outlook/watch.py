"""Keeps the outlook up to date while somebody looks at it; the timer's, never a panel's work."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import msgspec

from impetus.backend.contract.outlook.foresee import Outlook, foresee
from impetus.backend.contract.outlook.pace import Pace, read_pace

from ..jobs import machine
from .reading import Measures, plan_of, standings

LOOKED_SECONDS = 2.0
"How long after a panel was drawn somebody is taken to look at it."
PAUSE_SECONDS = 0.5
"Least time between two looks, and twenty times what the last one took."


@dataclass
class _Watch:
    measures: Measures = field(default_factory=Measures)
    outlook: Outlook | None = None
    scene: str = ""
    is_stale: bool = True
    looked_at: float = -1e9
    next_at: float = 0.0
    pace: Pace | None = None


_watch = _Watch()


def shown(scene: bpy.types.Scene) -> Outlook | None:
    """Return the outlook as it is known now, and have it kept up to date; for panels."""
    _watch.looked_at = time.monotonic()
    return _watch.outlook if _watch.scene == scene.name else None


def has_looked(scene: bpy.types.Scene) -> bool:
    """Return whether the scene, as it is now, was looked at."""
    return _watch.scene == scene.name and not _watch.is_stale


def step() -> bool:
    """Look at the scene again where that is due; return whether that was done."""
    now, scene = time.monotonic(), bpy.context.scene
    if scene is None or now - _watch.looked_at > LOOKED_SECONDS or now < _watch.next_at:
        return False
    if not _watch.is_stale and _watch.scene == scene.name:
        return False
    _watch.outlook, _watch.scene = look(scene, bpy.context.view_layer), scene.name
    _watch.is_stale = False
    _watch.next_at = now + max(PAUSE_SECONDS, 20 * (time.monotonic() - now))
    return True


def look(scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> Outlook | None:
    """Return what a shot of the scene, as it stands, will take; None where nothing is dynamic."""
    plan = plan_of(scene, layer)
    if plan is None:
        return None
    return foresee(standings(scene, layer, _watch.measures), plan, pace())


def pace() -> Pace:
    """Return how fast this machine was so far."""
    if _watch.pace is None:
        try:
            _watch.pace = msgspec.json.decode(_pace_file().read_bytes(), type=Pace)
        except (OSError, msgspec.MsgspecError):  # there is none yet, or an older version's
            _watch.pace = Pace()
    return _watch.pace


def learn(folder: Path) -> None:
    """Remember how fast a take was made."""
    _watch.pace = read_pace(folder).over(pace())
    _watch.is_stale = True
    try:
        _pace_file().write_bytes(msgspec.json.encode(_watch.pace))
    except OSError:  # it is learnt again from the next take
        return


def _pace_file() -> Path:
    return machine.cache_folder() / "pace.json"


# --- what Blender tells


@bpy.app.handlers.persistent
def after_update(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Something changed: the outlook is not true any more."""
    _watch.is_stale = True
    for update in depsgraph.updates:
        if update.is_updated_geometry and isinstance(update.id, bpy.types.Object):
            _watch.measures.forget(update.id.original.name_full)


@bpy.app.handlers.persistent
def after_load(*_: object) -> None:
    _watch.measures.clear()
    _watch.outlook, _watch.is_stale = None, True


def register() -> None:
    bpy.app.handlers.depsgraph_update_post.append(after_update)
    bpy.app.handlers.load_post.append(after_load)


def unregister() -> None:
    bpy.app.handlers.load_post.remove(after_load)
    bpy.app.handlers.depsgraph_update_post.remove(after_update)
    after_load()
    _watch.pace = None
