"""What the 3D views are shown now, and the timer that carries it there; on the main thread.

The timer runs only while something is awaited: a view that is shown finely costs nothing.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

import bpy

from impetus.backend.contract import messages as m
from impetus.backend.contract import views as v
from impetus.backend.contract.arrays import ArrayRef
from impetus.backend.contract.errors import ImpetusError

from ..fits.takes import with_fits
from ..jobs import machine
from ..jobs.state import connect, retry, state, status
from ..shot_export import Export, export_shot
from .panes import LONG_PATIENCE, Asked, Pane, Panes, Picture, Source, request
from .points import Cloud, MeshCloud, clouds_of
from .watcher import Bring, Brought, Got, Lost, Watcher

TICK = 1 / 60
RETRY_SECONDS = 2.0
"After a viewer was lost, nothing is asked for so long."
POINTS = 20_000
CLOUDS = 64
"Frames whose points are kept, for when no backend runs."


@dataclass
class Viewing:
    """All that is known of what is shown."""

    panes: Panes = field(default_factory=Panes)
    watcher: Watcher | None = None
    resting: dict[str, ArrayRef] = field(default_factory=dict)
    "Scenes that were brought as they stand, by name."
    clouds: OrderedDict[tuple[object, ...], Cloud] = field(default_factory=OrderedDict)
    "Points by what they are of: source, frame, bodies."
    meshes: list[MeshCloud] | None = None
    "Points on the bodies' meshes; none made yet where None."
    sentence: str = ""
    is_lost: bool = False
    "Whether the sentence is of something that went wrong."
    progress: int = -1
    "Frames of the take when one was absent."
    retry_at: float = 0.0

    def clear(self) -> None:
        """Be as at the start."""
        vars(self).update(vars(Viewing()))


viewing = Viewing()


def stop() -> None:
    """Let go of everything; called when the extension is disabled, and at Blender's end."""
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    if viewing.watcher is not None:
        viewing.watcher.close()
    viewing.clear()


def switch(*, on: bool) -> None:
    """Begin or end to show splats; ending lets go of all that it took."""
    stop()
    if on:
        viewing.watcher = Watcher(machine.home())
        if not state.is_linked and not state.is_connecting and machine.has_backend():
            try:
                connect()
            except ImpetusError as error:
                _say(f"{error.sentence} {error.remedy}", wrong=True)
    redraw()


def source_of(scene: bpy.types.Scene) -> Source | None:
    """Return what a scene's views show: its active take, or the scene as it was brought."""
    settings = scene.impetus
    active = settings.takes[settings.take_index : settings.take_index + 1]
    if status().viewport.subject == "TAKE" and active and active[0].take:
        return str(active[0].take)
    return viewing.resting.get(scene.name)


def told(scene: bpy.types.Scene) -> str:
    """Return what there is to say of what is shown."""
    if viewing.sentence:
        return viewing.sentence
    if not state.is_linked:
        return "Points only: no backend is connected"
    if source_of(scene) is None:
        return "Update shows the scene as it stands"
    pictures = [pane.picture for pane in viewing.panes if pane.picture is not None]
    if not pictures:
        return ""
    rates = [1 / pane.interval for pane in viewing.panes if pane.interval > 0]
    rate = f", {max(rates):.0f} pictures a second" if rates else ""
    return f"{max(picture.splats for picture in pictures):,} splats{rate}"


def bring(scene: bpy.types.Scene) -> tuple[str, ...]:
    """Send the scene as it stands, to be shown before any take; return what to know of it.

    Raises ShotError.
    """
    exported = as_it_stands(scene)
    if viewing.watcher is not None:
        viewing.watcher.bring(Bring(scene.name, exported.shot, exported.arrays))
        wake()
    return exported.warnings


def as_it_stands(scene: bpy.types.Scene) -> Export:
    """Return the shot that is shown before any take: a take's, with the fits that there are."""
    return with_fits(scene, export_shot(scene))


def can_ask() -> bool:
    """Return whether there is a backend to ask now."""
    ready = viewing.watcher is not None and state.is_linked
    return ready and time.monotonic() >= viewing.retry_at


def has_errand(source: Source | None, pane: Pane) -> bool:
    """Return whether the timer has something to do for a view."""
    if can_ask():
        return source is not None and pane.waits()
    return viewing.meshes is None and not state.is_linked


def note_progress(scene: bpy.types.Scene, pane: Pane) -> None:
    """Ask again for a frame that was not there once more of the take is."""
    settings = scene.impetus
    if pane.absent is None or not 0 <= settings.take_index < len(settings.takes):
        return
    done = settings.takes[settings.take_index].frames_done
    if done != viewing.progress:
        viewing.progress = done
        pane.again()


def wake() -> None:
    """Let the timer run as long as something is awaited."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=0.0)


def tick() -> float | None:
    """Carry what came to the views, and what they need to the backend."""
    watcher, now = viewing.watcher, time.monotonic()
    if watcher is None:
        return None
    changed: set[int] = set()
    while not watcher.news.empty():
        changed |= _hear(watcher.news.get_nowait(), now)
    if not state.is_linked and viewing.meshes is None:
        context = bpy.context
        viewing.meshes = clouds_of(context.scene, context.view_layer)
        changed |= {pane.number for pane in viewing.panes}
    if can_ask():
        for pane in viewing.panes:
            if (asked := pane.next_ask(now)) is not None:
                watcher.ask(request(pane, asked), asked)
    redraw(changed)
    waits = can_ask() and any(pane.waits() for pane in viewing.panes)
    return TICK if waits or watcher.is_busy else None


def _hear(news: Got | Brought | Lost, now: float) -> set[int]:
    """Take one piece of news in; return the numbers of the panes that it changes."""
    everywhere = {pane.number for pane in viewing.panes}
    match news:
        case Brought(key, ref):
            viewing.resting[key] = ref
            return everywhere
        case Lost(sentence, remedy):
            _say(f"{sentence} {remedy}".strip(), wrong=True)
            viewing.retry_at = now + RETRY_SECONDS
            if state.is_linked:  # as far as one knew: have it started again
                retry()
            for each in viewing.panes:
                each.again()
            return everywhere
    pane = viewing.panes.numbered(news.request.pane)
    if pane is None:
        return set()
    if isinstance(news.token, Asked):
        _see(pane, news, news.token, now)
    elif isinstance(news.answer, v.Points) and isinstance(news.token, tuple):
        viewing.clouds[news.token] = (news.arrays[0], news.arrays[1])
        while len(viewing.clouds) > CLOUDS:
            viewing.clouds.popitem(last=False)
    return {pane.number}


def _see(pane: Pane, news: Got, asked: Asked, now: float) -> None:
    match news.answer:
        case v.Seen() as seen:
            color, depth = news.arrays
            picture = Picture(
                asked.stand, asked.lens, seen.left, seen.top, color, depth,
                fine=asked.fine, seconds=now - asked.at, splats=seen.splats,
            )  # fmt: skip
            pane.came(picture, now)
            _say("")
            if asked.fine:
                _ask_for_points(pane, asked)
        case v.Working(text):
            pane.patience = LONG_PATIENCE
            _say(text)
        case v.Absent():
            pane.lacks(asked.stand)
            _say(f"Frame {asked.stand.frame} is not simulated yet, or no longer in the cache")
        case m.Refused(sentence=sentence, remedy=remedy):
            pane.lacks(asked.stand)
            _say(f"{sentence} {remedy}".strip(), wrong=True)


def _say(sentence: str, *, wrong: bool = False) -> None:
    if (sentence, wrong) != (viewing.sentence, viewing.is_lost):
        viewing.sentence, viewing.is_lost = sentence, wrong
        for window in bpy.data.window_managers[0].windows:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    area.tag_redraw()


def _ask_for_points(pane: Pane, asked: Asked) -> None:
    """Have points of what is shown now kept here."""
    subject = asked.stand.subject
    if subject in viewing.clouds or viewing.watcher is None:
        return
    spread = v.Spread(
        pane.number, asked.stand.source, asked.stand.frame, POINTS, asked.stand.bodies
    )
    viewing.watcher.ask(spread, subject)


def redraw(numbers: set[int] | None = None) -> None:
    """Have 3D views drawn again: all of them, or those of these panes."""
    regions = {
        region for region, pane in viewing.panes.by_region.items()
        if numbers is None or pane.number in numbers
    }  # fmt: skip
    for window in bpy.data.window_managers[0].windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "WINDOW" and (
                        numbers is None or region.as_pointer() in regions
                    ):
                        region.tag_redraw()


def leave_file() -> None:
    """A file is about to be closed: what its views were shown goes with it."""
    viewing.panes = Panes()
    viewing.resting.clear()
    viewing.clouds.clear()
    viewing.meshes, viewing.sentence = None, ""
