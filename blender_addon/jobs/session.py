"""What an artist asks for, and the timer that carries the answers into the file.

`tick` is the one timer's function; a Blender without a window calls it itself.
"""

import time
import uuid
from collections.abc import Generator
from pathlib import Path

import bpy

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.methods import NoMethod
from impetus.backend.contract.shot_check import shot_hash

from .. import takes
from ..fits.takes import with_fits
from ..outlook import watch
from ..properties import ImpetusTake
from ..shot_export import Export, export_shot
from . import backend_setup, bake, machine, news, orders
from .state import (
    all_takes,
    connect,
    find,
    follow,
    follow_active,
    redraw,
    remember,
    retry,
    say,
    send,
    state,
    status,
)

BUSY_SECONDS, IDLE_SECONDS = 0.1, 1.0
BUDGET_SECONDS = 0.005


# --- what an artist asks for


def disconnect() -> None:
    """Let go of the backend; its jobs go on."""
    state.link.order(orders.Disconnect())


def set_up() -> None:
    """Make the backend's environment, then connect."""
    _set_up(backend_setup.set_up(machine.environment_folder(), machine.EXTENSION))


def set_up_diffusion() -> None:
    """Add what diffusion needs to the backend's environment, then connect."""
    _set_up(backend_setup.set_up_diffusion(machine.environment_folder(), machine.EXTENSION))


def _set_up(work: Generator[orders.Notice, None, None]) -> None:
    state.work = backend_setup.KEY
    state.link.order(orders.Run(backend_setup.KEY, work))
    say(link="SETUP", sentence="", remedy="", stage="Look for Python", factor=0.0)


def stop_work() -> None:
    """Cancel the set-up that runs."""
    state.link.order(orders.Stop(state.work))
    state.work = ""
    say(link="ON" if state.is_linked else "OFF", stage="", factor=0.0)


def make_take(
    scene: bpy.types.Scene,
    layer: bpy.types.ViewLayer | None = None,
    *,
    folder: Path | None = None,
) -> ImpetusTake:
    """Export the scene and send it on its way; return the take, which grows from now on.

    `folder` is where its files go; by default a new one. Raises ShotError, or LinkError where
    there is no backend to send it to.
    """
    machine.python()
    exported = with_fits(scene, export_shot(scene, layer), layer)
    shot = exported.shot
    simulates = any(body.role == "dynamic" for body in shot.bodies) or shot.emitters or shot.flocks
    if not simulates and isinstance(exported.shot.method, NoMethod):
        raise ShotError(
            "Scene", "expected at least one object that is dynamic, smokes or flies, got none.",
            "Give one Impetus physics, in Properties, Physics, and show it in renders.",
        )  # fmt: skip
    if folder is not None:
        takes.claim(folder, shot_hash(exported.shot))
    take = _new_take(scene, exported, folder or takes.new_folder(exported.shot.name))
    if scene.impetus.lighting == "BAKE":
        _bake(scene, take, exported)
    else:
        send(take, exported)
    return take


def cancel(take: ImpetusTake) -> None:
    """End a take at its next step; what is finished stays."""
    if take.job:
        state.link.order(orders.Tell(take.job, "cancel"))
        return
    state.link.order(orders.Stop(take.key))
    state.pending.pop(take.key, None)
    take.state, take.sentence = "cancelled", ""
    remember(take)


def resume(take: ImpetusTake) -> None:
    """Go on with a take at its first missing frame."""
    if not state.is_linked:
        connect()
    state.link.order(orders.Tell(take.job, "resume"))
    take.state, take.sentence = "queued", ""
    follow(take)


def remove(scene: bpy.types.Scene, take: ImpetusTake, *, files: bool) -> None:
    """Take a take off the timeline and the list; with `files`, off the disk and the backend too."""
    if take.is_active:
        cancel(take)
    takes.clear(scene, take)
    if files:
        if take.job and state.is_linked:
            state.link.order(orders.Tell(take.job, "remove"))
        takes.delete_folder(take)
    state.known.pop(take.key, None)
    index = scene.impetus.takes.find(take.name)
    scene.impetus.takes.remove(index)
    scene.impetus.take_index = max(0, min(index, len(scene.impetus.takes) - 1))
    if not any(takes.strip_of(scene, each) for each in scene.impetus.takes):
        takes.restore_view(scene)


# --- the timer


def tick() -> float:
    """Carry the notices into the scenes, for a few milliseconds; return when to come again."""
    end, changed = time.monotonic() + BUDGET_SECONDS, False
    while time.monotonic() < end and not state.link.notices.empty():
        news.apply(state.link.notices.get_nowait())
        changed = True
    if watch.step() or changed:
        redraw()
    waiting = any(take.is_active and take.job for _, take in all_takes())
    if waiting and not state.is_linked and not state.is_connecting:
        retry()
    busy = (
        waiting
        or state.is_connecting
        or bool(state.work or state.fit or state.lift or state.pending)
    )
    return BUSY_SECONDS if busy or not state.link.notices.empty() else IDLE_SECONDS


def start() -> None:
    """Begin to listen; called when the extension is enabled."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=BUSY_SECONDS, persistent=True)


def stop() -> None:
    """Let go of everything; jobs go on."""
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    state.link.close()
    state.clear()


def leave_file() -> None:
    """A file is about to be closed: follow nothing more."""
    if state.is_linked:
        state.link.order(orders.Leave())
    for key in state.pending:
        state.link.order(orders.Stop(key))
    state.pending.clear()
    state.known.clear()


def enter_file() -> None:
    """A file was opened: what was never sent is over, what runs is followed again."""
    for scene, take in all_takes():
        if take.is_active and not take.job:
            take.state = "cancelled"
            take.sentence = "Blender was closed before the shot was sent."
        remember(take, scene)
    for scene in bpy.data.scenes:
        if gone := takes.silence_missing(scene):
            say(sentence=f"Frames are missing: {', '.join(gone)}.", remedy="Import the take again.")
    say(link="ON" if state.is_linked else "OFF", backend=state.backend)
    if state.is_linked:
        follow_active()
    elif not bpy.app.background and any(take.is_active for _, take in all_takes()):
        retry()


def after_undo() -> None:
    """Undo turns takes back too: put what really happened in again."""
    for key, (scene_name, values) in list(state.known.items()):
        scene = bpy.data.scenes.get(scene_name)
        if scene is None:
            continue
        take = find(key)
        if take is None:
            take = scene.impetus.takes.add()
        for name, value in values.items():
            setattr(take, name, value)
        takes.grow(scene, take)


# --- inside


def _new_take(scene: bpy.types.Scene, exported: Export, folder: Path) -> ImpetusTake:
    shot = exported.shot
    take = scene.impetus.takes.add()
    take.key, take.name, take.folder = uuid.uuid4().hex, folder.name, takes.stored_path(folder)
    take.first, take.last, take.fps = shot.frames.first, shot.frames.last, shot.frames.fps
    take.width, take.height = shot.film.width, shot.film.height
    take.camera = scene.camera.name
    take.warnings = "\n".join(exported.warnings)
    scene.impetus.take_index = len(scene.impetus.takes) - 1
    status().viewport.subject = "TAKE"
    remember(take, scene)
    return take


def _bake(scene: bpy.types.Scene, take: ImpetusTake, exported: Export) -> None:
    state.pending[take.key] = exported
    take.state = "baking"
    folder = machine.cache_folder() / "bakes"
    plan = bake.plan(scene, exported, folder)
    state.link.order(orders.Run(take.key, bake.run(take.key, plan)))
