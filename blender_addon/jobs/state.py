"""What this process knows of the backend and of its takes, and how a take is found again.

Data-blocks are found by name each time: what a notice speaks of may be gone by then.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import bpy

from .. import takes
from ..properties import ImpetusStatus, ImpetusTake
from ..shot_export import Export
from . import machine, orders
from .link import Link

RETRY_SECONDS = 15.0
SILENT_SECONDS = 3.0
"What says nothing new for so long tells how long it has been."


@dataclass
class State:
    link: Link = field(default_factory=Link)
    is_linked: bool = False
    is_connecting: bool = False
    backend: str = ""
    work: str = ""
    "Key of the set-up or bake that runs."
    fit: str = ""
    "Key of the fit that runs."
    lift: str = ""
    "Key of the picture that is being made a body."
    pending: dict[str, Export] = field(default_factory=dict)
    "Shots that are not sent yet, by their take's key."
    known: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    "Scene and values of each take touched since Blender started: undo must not lose a running job."
    retry_at: float = 0.0
    told: dict[str, tuple[str, float]] = field(default_factory=dict)
    "What each piece of work last said, and when it began to, of `time.monotonic`."

    def clear(self) -> None:
        """Be as at the start of the process."""
        vars(self).update(vars(State()))


state = State()


def connect() -> None:
    """Find the backend, or start it. Raises LinkError where there is no Python for it."""
    order = orders.Connect(machine.home(), machine.python())
    state.is_connecting = True
    state.link.order(order)
    say(link="CONNECTING", sentence="", remedy="")


def retry() -> None:
    if time.monotonic() < state.retry_at or not machine.has_backend():
        return
    state.retry_at = time.monotonic() + RETRY_SECONDS
    connect()


def send(take: ImpetusTake, exported: Export) -> None:
    """Send a shot; connect first where that is not done."""
    if not state.is_linked and not state.is_connecting:
        connect()
    state.pending[take.key] = exported
    take.state = "uploading"
    state.link.order(orders.Submit(take.key, exported.shot, exported.arrays))


def follow(take: ImpetusTake) -> None:
    order = orders.Follow(take.job, take.take, takes.folder_of(take), take.last_seq)
    state.link.order(order)


def follow_active() -> None:
    for _, take in all_takes():
        if take.job and (take.is_active or len(takes.frames_on_disk(take)) < take.frames_done):
            follow(take)


def all_takes() -> Iterator[tuple[bpy.types.Scene, ImpetusTake]]:
    """Yield every take of every scene."""
    for scene in bpy.data.scenes:
        for take in scene.impetus.takes:
            yield scene, take


def find(name: str) -> ImpetusTake | None:
    """Return the take of this key or job, or None."""
    return next((t for _, t in all_takes() if name and name in (t.key, t.job)), None)


def remember(take: ImpetusTake, scene: bpy.types.Scene | None = None) -> None:
    """Note how a take stands, beyond the reach of undo."""
    names = (p.identifier for p in take.bl_rna.properties if p.identifier != "rna_type")
    values = {name: getattr(take, name) for name in names}
    state.known[take.key] = ((scene or take.id_data).name, values)


def note(key: str, text: str) -> None:
    """Note what a piece of work says now."""
    if state.told.get(key, ("", 0.0))[0] != text:
        state.told[key] = (text, time.monotonic())


def told(key: str) -> str:
    """Return what a piece of work says, and for how long already where that is long."""
    text, since = state.told.get(key, ("", time.monotonic()))
    silent = time.monotonic() - since
    if silent < SILENT_SECONDS:
        return text
    minutes, seconds = divmod(int(silent), 60)
    return f"{text}  ·  {minutes}:{seconds:02d}"


def status() -> ImpetusStatus:
    """Return what the window shows of all this."""
    return bpy.data.window_managers[0].impetus


def say(**values: Any) -> None:
    shown = status()
    for name, value in values.items():
        setattr(shown, name, value)


def keep_step(message: str) -> None:
    """Let undo come back to how the file is now: what a timer changes is no step by itself."""
    if not bpy.app.background:
        bpy.ops.ed.undo_push(message=message)


def redraw() -> None:
    for window in bpy.data.window_managers[0].windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "PROPERTIES", "SEQUENCE_EDITOR"}:
                area.tag_redraw()
