"""A call as it comes: bytes of anybody who has a key, decoded inside a guard."""

import msgspec

from ...contract import messages as m
from ...contract.errors import ImpetusError, MessageError, VersionError

SENTENCE = 1000

DECODING_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"The last two are no MsgspecError, and mutated messages do raise them."


class _Envelope(msgspec.Struct, tag="call"):
    """As much of a call as every version of the protocol has."""

    id: m.Id
    protocol: tuple[int, int]
    request: msgspec.Raw


_envelope = msgspec.msgpack.Decoder(_Envelope)
_call = msgspec.msgpack.Decoder(m.Call)


def read_call(header: bytes) -> m.Call | m.Reply | None:
    """Return the call, or the refusal of one, or None where there is nobody to answer."""
    try:
        envelope = _envelope.decode(header)
    except DECODING_ERRORS:
        return None
    try:
        _check_version(envelope.protocol)
        return _call.decode(header)
    except DECODING_ERRORS as err:
        return refuse(
            envelope.id,
            MessageError(
                f"Expected a request of protocol {_name(m.PROTOCOL)}, got one that is not: {err}.",
                "Update the backend or the extension, so that both are of one version.",
            ),
        )
    except VersionError as err:
        return refuse(envelope.id, err)


def refuse(id: str, error: ImpetusError) -> m.Reply:
    """Return an error as the answer to a call."""
    return m.Reply(id, m.Refused(error.code, error.sentence[:SENTENCE], error.remedy[:SENTENCE]))


def _check_version(theirs: tuple[int, int]) -> None:
    if theirs[0] != m.PROTOCOL[0]:
        older = "extension" if theirs[0] < m.PROTOCOL[0] else "backend"
        raise VersionError(
            f"The backend speaks protocol {_name(m.PROTOCOL)}, the extension {_name(theirs)}.",
            f"Update the {older}.",
        )


def _name(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
