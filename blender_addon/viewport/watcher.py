"""The thread that fetches what 3D views are shown; knows nothing of bpy, keeps nobody waiting.

The main thread puts wishes in and takes news out. The thread sleeps while there is none; it looks
for the backend's viewer when there is one, and lets go of it when told to.
"""

import queue
import threading
import time
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract import views as v
from impetus.backend.contract.arrays import ArrayRef, ArraySet
from impetus.backend.contract.client import Client
from impetus.backend.contract.errors import ImpetusError, InternalError, LinkError
from impetus.backend.contract.keys import client_keys, read_connection
from impetus.backend.contract.shot import Shot
from impetus.backend.contract.view_client import Sight, ViewClient

AWAKE = 0.005
"Seconds that an answer is waited for before new wishes are looked at."
READY_SECONDS = 5.0
"A viewer that does not take a word for so long counts as lost."

FORGET_SECONDS = 200.0
"An answer that has not come by then is awaited no more."

# --- wishes: an ask of the contract with the caller's own token, or a shot to bring


@dataclass(frozen=True)
class Bring:
    """Send a shot, to be looked at before any take."""

    key: str
    shot: Shot
    arrays: ArraySet


# --- news


@dataclass(frozen=True)
class Got:
    """The answer to a request.

    Of a picture `arrays` are linear premultiplied colour (h, w, 4) f4 and depth (h, w) f4; of
    points places (n, 3) f4 and colours (n, 3) f4, linear.
    """

    request: v.AnyView
    token: object
    answer: v.AnySight
    arrays: tuple[NDArray[Any], ...] = ()


@dataclass(frozen=True)
class Brought:
    """The shot of this key can be looked at by this reference."""

    key: str
    ref: ArrayRef


@dataclass(frozen=True)
class Lost:
    """There is no viewer, or none any more: what was wished for is dropped."""

    sentence: str
    remedy: str


News = Got | Brought | Lost
Wish = tuple[v.AnyView, object]


class Watcher:
    """The thread, its wishes and its news."""

    def __init__(self, home: Path) -> None:
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._home = home
        self._wishes: dict[tuple[int, type], Wish] = {}
        self._shots: list[Bring] = []
        self._changed = threading.Condition()
        self._closing = self._at_work = False
        self._thread: threading.Thread | None = None

    def ask(self, request: v.AnyView, token: object) -> None:
        """Wish for an answer; a wish of the same pane and kind that was not sent yet is dropped."""
        with self._changed:
            self._wishes[request.pane, type(request)] = (request, token)
            self._wake()

    def bring(self, order: Bring) -> None:
        with self._changed:
            self._shots.append(order)
            self._wake()

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way; what has come is news already."""
        with self._changed:
            return bool(self._wishes or self._shots or self._at_work)

    def close(self) -> None:
        """End soon; nobody waits for it."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def _wake(self) -> None:
        if self._thread is None:
            # A daemon: quitting Blender never waits for the network.
            self._thread = threading.Thread(target=self._main, name="impetus-view", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _main(self) -> None:
        sight = _Sight(self._home, self.news)
        try:
            while True:
                with self._changed:
                    if not (self._closing or self._wishes or self._shots or sight.awaits):
                        self._changed.wait()
                    if self._closing:
                        return
                    wishes, self._wishes = list(self._wishes.values()), {}
                    shots, self._shots = self._shots, []
                    self._at_work = True
                sight.step(wishes, shots)
                with self._changed:
                    self._at_work = sight.awaits
        finally:
            sight.drop()


class _Sight:
    """What the thread owns: the viewer it talks to, and what it awaits from it."""

    def __init__(self, home: Path, news: "queue.SimpleQueue[News]") -> None:
        self._home, self._news = home, news
        self._view: ViewClient | None = None
        self._unsent: dict[tuple[int, type], Wish] = {}
        self._sent: dict[int, Wish] = {}
        self._heard = 0.0
        self._since = 0.0

    @property
    def awaits(self) -> bool:
        return bool(self._sent or self._unsent)

    def step(self, wishes: list[Wish], shots: list[Bring]) -> None:
        """Send what is wished for, and hear what came; what goes wrong is news."""
        try:
            for order in shots:
                self._bring(order)
            if wishes and not self._unsent:
                self._since = time.monotonic()
            self._unsent |= {(wish[0].pane, type(wish[0])): wish for wish in wishes}
            self._talk()
        except ImpetusError as error:
            self._lose(error)
        except Exception as error:  # a defect must not end the thread that all views hang on
            traceback.print_exc()
            self._lose(InternalError(f"{type(error).__name__}: {error}."))

    def _talk(self) -> None:
        if self._view is not None and not self._sent:
            self._hear(0.0)  # it may have ended while nobody looked
            if self._view.lost:
                self.drop()
        view = self._view or self._open()
        for key, wish in list(self._unsent.items()):
            number = view.ask(wish[0])
            if number is None:
                break
            self._overtake(wish)
            self._sent[number] = wish
            self._heard = time.monotonic()
            del self._unsent[key]
        if self._unsent and time.monotonic() - self._since > READY_SECONDS:
            raise LinkError("The backend's viewer does not answer.", "It is started anew.")
        self._hear(AWAKE)
        if time.monotonic() - self._heard > FORGET_SECONDS:
            self._sent.clear()
        if view.lost and self.awaits:
            raise LinkError("The backend's viewer has ended.", "It is started anew.")

    def _overtake(self, wish: Wish) -> None:
        """Forget what will stay without an answer, or whose answer is of no use."""
        kind = (wish[0].pane, type(wish[0]))
        for number, other in list(self._sent.items()):
            if (other[0].pane, type(other[0])) == kind:
                del self._sent[number]

    def _open(self) -> ViewClient:
        connection = read_connection(self._home)
        with Client(connection, tries=1) as client:
            door = client.view_door()
        self._view = ViewClient(connection.host, door, client_keys(self._home))
        self._since = time.monotonic()
        return self._view

    def _bring(self, order: Bring) -> None:
        with Client(read_connection(self._home)) as client:
            self._news.put(Brought(order.key, client.bring(order.shot, order.arrays)))

    def _hear(self, seconds: float) -> None:
        assert self._view is not None
        for sight in self._view.sights(seconds):
            self._heard = time.monotonic()
            wish = self._sent.get(sight.number)
            if wish is None:
                continue
            if not isinstance(sight.answer, v.Working):
                del self._sent[sight.number]
            self._news.put(Got(*wish, sight.answer, _arrays(sight)))

    def _lose(self, error: ImpetusError) -> None:
        self.drop()
        self._unsent.clear()
        self._news.put(Lost(error.sentence, error.remedy))

    def drop(self) -> None:
        """Let go of the viewer."""
        self._sent.clear()
        if self._view is not None:
            self._view.close()
            self._view = None


def _arrays(sight: Sight) -> tuple[NDArray[Any], ...]:
    """Return raw frames as the main thread draws them: the work is done here."""
    match sight.answer:
        case v.Seen(width=width, height=height):
            shape = (height, width)
            color = np.empty((*shape, 4), np.float32)
            raw = np.frombuffer(sight.frames[0], np.uint8).reshape(*shape, 4)
            color[..., :3] = _linear()[raw[..., :3]]
            color[..., 3] = raw[..., 3] * np.float32(1 / 255)
            return color, np.frombuffer(sight.frames[1], "<f4").reshape(shape).copy()
        case v.Points(count):
            place = np.frombuffer(sight.frames[0], "<f4").reshape(count, 3).copy()
            return place, _linear()[np.frombuffer(sight.frames[1], np.uint8).reshape(count, 3)]
    return ()


@cache
def _linear() -> NDArray[np.float32]:
    """Return the linear light of sRGB's bytes (256,)."""
    encoded = np.arange(256) / 255
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)
