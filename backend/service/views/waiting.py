"""The asks that wait for the viewer: of each pane and kind the newest, in the order of arrival."""

from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from ...contract import messages as m
from ...contract import views as v
from ...contract.errors import ImpetusError, MessageError, VersionError
from ..doors.calls import DECODING_ERRORS, SENTENCE

LIMIT = 256
"Asks that may wait, of all clients together; beyond, the oldest are dropped."

Key = tuple[bytes, int, type]


@dataclass(frozen=True)
class Asked:
    """An ask and whose it is."""

    peer: bytes
    number: int
    request: v.AnyView

    @property
    def key(self) -> Key:
        return self.peer, self.request.pane, type(self.request)


class Waiting:
    """The queue."""

    def __init__(self) -> None:
        self._asked: OrderedDict[Key, Asked] = OrderedDict()

    def put(self, asked: Asked) -> None:
        """Take an ask in, in the place of the one that it overtakes."""
        self._asked[asked.key] = asked
        while len(self._asked) > LIMIT:
            self._asked.popitem(last=False)

    def next(self) -> Asked | None:
        return self._asked.popitem(last=False)[1] if self._asked else None

    def overtakes(self, asked: Asked) -> bool:
        """Return whether a newer ask makes it pointless to go on with this one.

        A rough look is gone through with, or who never holds still would see nothing.
        """
        newer = self._asked.get(asked.key)
        if newer is None:
            return False
        is_fine = isinstance(asked.request, v.Look) and asked.request.fine
        return is_fine or newer.request.source != asked.request.source

    def forget(self, peer: bytes) -> None:
        for key in [key for key in self._asked if key[0] == peer]:
            del self._asked[key]

    def __bool__(self) -> bool:
        return bool(self._asked)


class _Envelope(msgspec.Struct, tag="ask"):
    """As much of an ask as every version has."""

    number: m.Count
    protocol: tuple[int, int]
    request: msgspec.Raw


_envelope = msgspec.msgpack.Decoder(_Envelope)
_ask = msgspec.msgpack.Decoder(v.Ask)


def read_ask(peer: bytes, header: bytes) -> Asked | v.Shown | None:
    """Return the ask, or the refusal of one, or None where there is nobody to answer."""
    try:
        envelope = _envelope.decode(header)
    except DECODING_ERRORS:
        return None
    remedy = "Update the backend or the extension, so that both are of one version."
    if envelope.protocol[0] != m.PROTOCOL[0]:
        sentence = f"Expected protocol {m.PROTOCOL[0]}, got {envelope.protocol[0]}."
        return refuse(envelope.number, VersionError(sentence, remedy))
    try:
        ask = _ask.decode(header)
    except DECODING_ERRORS as err:
        sentence = f"Expected a view to be asked for, got something that is none: {err}."
        return refuse(envelope.number, MessageError(sentence, remedy))
    return Asked(peer, ask.number, ask.request)


def refuse(number: int, error: ImpetusError) -> v.Shown:
    refused = m.Refused(error.code, error.sentence[:SENTENCE], error.remedy[:SENTENCE])
    return v.Shown(number, refused)
