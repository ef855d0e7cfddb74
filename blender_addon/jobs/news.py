"""Notices of the link carried into scenes and window, on the main thread."""

import re

from impetus.backend.contract import messages as m
from impetus.backend.contract.errors import ResourceError

from .. import takes
from ..fits import fitting
from ..lifts import lifting
from ..outlook import watch
from ..preview import store as preview
from ..properties import ImpetusTake
from . import backend_setup, bake, orders
from .state import (
    connect,
    find,
    follow,
    follow_active,
    keep_step,
    note,
    remember,
    say,
    send,
    state,
)

STAGES = {
    "prepare": "Prepare",
    "simulate": "Simulate",
    "splat": "Splat",
    "render": "Render",
    "diffuse": "Diffuse",
    "deliver": "Write",
}


def apply(notice: orders.Notice) -> None:
    """Carry one notice in."""
    match notice:
        case orders.Linked(version, devices, models):
            state.is_linked, state.is_connecting = True, False
            named = devices and devices[0] != "auto"
            state.backend = devices[0] if named else f"Backend {version}"
            say(link="ON", backend=state.backend, models="\n".join(models), sentence="", remedy="")
            follow_active()
        case orders.Unlinked(sentence, remedy):
            state.is_linked = state.is_connecting = False
            say(link="OFF", backend="", sentence=sentence, remedy=remedy)
            for key in list(state.pending):
                if (take := find(key)) is None or take.state == "uploading":
                    _fail(take, f"{sentence} {remedy}".strip() or "Let go of the backend.", key)
        case orders.Stepped(key, text, factor):
            _step(key, text, factor)
        case orders.Finished(key, result):
            _finish(key, result)
        case orders.Accepted(key, job, take_id):
            _accept(key, job, take_id)
        case orders.Told(event):
            _hear(event)
        case orders.Known(job, details):
            _know(job, details)
        case orders.Trouble():
            _trouble(notice)


def _step(key: str, text: str, factor: float) -> None:
    note(key, text)
    if key == backend_setup.KEY:
        say(stage=text, factor=factor)
    elif key == state.fit:
        say(fit_factor=factor)
    elif key == state.lift:
        say(lift_factor=factor)
    elif (take := find(key)) is not None and take.is_active:
        say(job=key, stage=text, factor=factor, seconds_left=-1.0)


def _finish(key: str, result: object) -> None:
    if key == backend_setup.KEY:
        state.work = ""
        say(link="OFF", stage="", factor=0.0)
        connect()
        return
    if key == state.fit:
        fitting.finish(result)
        return
    if key == state.lift:
        lifting.finish(result)
        return
    take, exported = find(key), state.pending.get(key)
    if take is not None and exported is not None:
        send(take, bake.lit(exported, result))


def _accept(key: str, job: str, take_id: str) -> None:
    state.pending.pop(key, None)
    if (take := find(key)) is None:  # its file was closed meanwhile; the backend keeps the take
        return
    was_cancelled = take.state == "cancelled"
    take.job, take.take, take.state = job, take_id, "queued"
    if was_cancelled:
        state.link.order(orders.Tell(job, "cancel"))
    remember(take)
    follow(take)


def _hear(event: m.Event) -> None:
    take = find(event.job)
    if take is None or event.seq <= take.last_seq:
        return
    take.last_seq = event.seq
    match event.body:
        case m.StateChanged(state=now):
            take.state = now
        case m.Progress() as progress:
            _progress(take, progress)
        case m.FrameReady():
            _landed(take)
        case m.PointsReady(frame=frame):
            preview.arrived(take, frame)
        case m.Log(level="warning", text=text):
            _warn(take, text)
        case m.Failed(sentence=sentence, remedy=remedy):
            take.state, take.sentence = "failed", f"{sentence} {remedy}".strip()
        case m.Done():
            take.state, take.sentence = "done", ""
            watch.learn(takes.folder_of(take))
    if not take.is_active:
        say(job="", stage="", factor=0.0, seconds_left=-1.0)
    remember(take)


def _warn(take: ImpetusTake, text: str) -> None:
    """Keep a warning; one that differs from an older one only in its numbers replaces that."""
    kind = re.sub(r"[\d.]+", "#", text)
    kept = [line for line in take.warnings.splitlines() if re.sub(r"[\d.]+", "#", line) != kind]
    take.warnings = "\n".join([*kept, text])


def _progress(take: ImpetusTake, progress: m.Progress) -> None:
    left = -1.0 if progress.eta is None else progress.eta
    stage, factor = STAGES[progress.stage], take.frames_done / take.frames_total
    if not take.frames_done and progress.total > 0:
        stage = f"{stage} {progress.done / progress.total:.0%}"
    say(job=take.key, stage=stage, factor=factor, seconds_left=left)


def _landed(take: ImpetusTake) -> None:
    """A frame is on disk: let the timeline grow, and begin it with the first one."""
    take.frames_done = len(takes.frames_on_disk(take))
    scene = take.id_data
    if take.is_placed:
        takes.grow(scene, take)
    elif takes.place(scene, take) is not None:
        take.is_placed = True
        keep_step(f"Import {take.name}")


def _know(job: str, details: m.TakeDetails) -> None:
    if (take := find(job)) is None:
        return
    take.state = details.info.state
    if details.info.state == "failed":
        take.sentence = details.info.sentence
    _landed(take)
    remember(take)


def _trouble(trouble: orders.Trouble) -> None:
    text = f"{trouble.sentence} {trouble.remedy}".strip()
    take = find(trouble.about)
    if trouble.about == backend_setup.KEY:
        state.work = ""
        say(link="OFF", stage="", factor=0.0, sentence=trouble.sentence, remedy=trouble.remedy)
    elif trouble.about == state.fit and state.fit:
        fitting.end(text)
        say(sentence=trouble.sentence, remedy=trouble.remedy)
    elif trouble.about == state.lift and state.lift:
        lifting.end()
        say(sentence=trouble.sentence, remedy=trouble.remedy)
    elif take is not None and take.state == "baking" and take.key in state.pending:
        take.warnings = f"The bake failed, so the scene's lights are used: {trouble.sentence}"
        send(take, state.pending[take.key])
    elif take is not None and trouble.code == ResourceError.code:
        take.sentence = text  # it goes on once there is room
    elif take is not None and take.is_active:
        _fail(take, text, take.key)
    elif take is not None:
        take.sentence = take.sentence or text  # what went wrong first says most
    else:
        say(sentence=trouble.sentence, remedy=trouble.remedy)


def _fail(take: ImpetusTake | None, text: str, key: str) -> None:
    state.pending.pop(key, None)
    if take is not None:
        take.state, take.sentence = "failed", text
        say(job="", stage="", factor=0.0)
        remember(take)
