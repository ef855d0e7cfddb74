"""What is wrong with a value that a struct does not take: where it is, its range, what came.

For shots that come as files and messages, and for those made by a script, whose structs nothing has
looked at. What is expected is read from the annotations of the structs, so it stands there alone.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import inspect

from .errors import ShotError

T = TypeVar("T")
Step = str | int

ADVICE = {"poisson_ratio": "What keeps its volume nearly has a Poisson ratio of 0.45 to 0.49."}
"What else to say of a field that is out of its range."
KINDS = {
    "float": "a number", "int": "a whole number", "str": "a text", "array": "a list",
    "object": "settings", "object | null": "settings or nothing",
}  # fmt: skip
"What the kinds of values are called."
LONGEST = 60
"Letters of a value that are shown."
_PLACE = re.compile(r"(?P<said>.*?)( - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def check_ranges(value: msgspec.Struct, where: str = "Shot") -> None:
    """Raise ShotError on the first number, text or part of a struct that it may not have."""
    plain = msgspec.to_builtins(value, enc_hook=_plain)
    converted(plain, type(value), where)


def converted(plain: Any, struct: type[T], where: str = "Shot") -> T:
    """Return plain values as a struct. Raises ShotError, which says what is wrong with which."""
    try:
        return msgspec.convert(plain, struct)
    except msgspec.ValidationError as error:
        raise refusal(error, plain, struct, where) from error


def decoded(
    data: bytes, struct: type[T], decode: Callable[..., Any] = msgspec.json.decode, where: str = ""
) -> T:
    """Return encoded values as a struct. Raises ShotError as `converted`, and what `decode` does.

    `where` is what they came from, a file's name.
    """
    try:
        found: T = decode(data, type=struct)
        return found
    except msgspec.ValidationError as error:
        raise refusal(error, decode(data), struct, where) from error


def refusal(error: msgspec.ValidationError, plain: Any, struct: type[Any], where: str) -> ShotError:
    """Return what to say of `plain` values that were refused as a struct."""
    found = _PLACE.fullmatch(str(error))
    assert found is not None
    path = [name or int(number) for name, number in _STEP.findall(found["path"] or "")]
    place = _followed(path, plain, inspect.type_info(struct))
    labels = [where if where != "Shot" or not place.owner else "", place.owner, place.field]
    sentence, remedy = _words(found["said"], place.kind, place.value)
    more = ADVICE.get(place.field.replace(" ", "_"), "")
    return ShotError(", ".join(filter(None, labels)), sentence, f"{remedy} {more}".strip())


class _Place(NamedTuple):
    """What is wrong: whose it is, by name, its field in that, what it should be, and what it is."""

    owner: str
    field: str
    kind: inspect.Type
    value: Any


def _followed(path: Sequence[Step], plain: Any, kind: inspect.Type) -> _Place:
    owner, field, value = _name_of(plain) or "", "", plain
    for step in path:
        kind = _chosen(kind, value)
        is_tag = isinstance(kind, inspect.UnionType)
        kind, value = _inner(kind, step), value[step]
        if isinstance(step, str):
            word = step.replace("_", " ")
            field = f"{field} {word}".strip() if is_tag else word
        if isinstance(value, dict) and "name" in value:
            number = f" {step + 1}" if isinstance(step, int) else ""
            owner, field = _name_of(value) or f"{owner}, {field}{number}", ""
    return _Place(owner, field, _chosen(kind, value), value)


def _name_of(value: Any) -> str | None:
    """Return what a part is called, shortened; None where that cannot be said."""
    name = value.get("name") if isinstance(value, dict) else None
    return _cut(name) if isinstance(name, str) and name.isprintable() and name else None


def _inner(kind: inspect.Type, step: Step) -> inspect.Type:
    """Return what one of a struct's or list's values should be."""
    match kind:
        case inspect.StructType():
            kinds = (field.type for field in kind.fields if field.encode_name == step)
            return next(kinds, inspect.LiteralType((kind.tag,)))
        case inspect.UnionType():  # nothing but its tag tells which it is
            structs = [one for one in kind.types if isinstance(one, inspect.StructType)]
            return inspect.LiteralType(tuple(one.tag for one in structs))
        case inspect.TupleType() if isinstance(step, int):
            return kind.item_types[step]
        case inspect.VarTupleType() | inspect.ListType():
            return kind.item_type
    return kind


def _chosen(kind: inspect.Type, value: Any) -> inspect.Type:
    """Return which of several types a value is meant to be of; the first that it may be."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    for one in kind.types:
        match one:
            case inspect.StructType() if isinstance(value, dict):
                if one.tag_field is None or value.get(one.tag_field) == one.tag:
                    return one
            case inspect.FloatType() if isinstance(value, int | float):
                return one
            case inspect.IntType() if isinstance(value, int):
                return one
            case inspect.StrType() if isinstance(value, str):
                return one
            case inspect.TupleType() | inspect.VarTupleType() if isinstance(value, list | tuple):
                return one
            case inspect.LiteralType() if isinstance(value, type(one.values[0])):
                return one
    return kind


def _words(said: str, kind: inspect.Type, value: Any) -> tuple[str, str]:
    """Return what was expected and what came, and what to do."""
    match kind:
        case inspect.FloatType() | inspect.IntType() if type(value) in (int, float):
            bounds, fall_short = _bounds(kind), _is_below(kind, value)
            if bounds and fall_short is not None:
                number = "number" if isinstance(kind, inspect.FloatType) else "whole number"
                remedy = "Raise it." if fall_short else "Lower it."
                return f"expected a {number} {bounds}, got {value:.6g}.", remedy
        case inspect.StrType() if isinstance(value, str) and "length" in said:
            return _counted(kind, len(value), "character", "characters")
        case inspect.VarTupleType() if isinstance(value, list | tuple) and "length" in said:
            return _counted(kind, len(value), "entry", "entries")
        case inspect.LiteralType():
            *most, last = map(str, kind.values)
            choices = f"{', '.join(most)} or {last}" if most else last
            return f"expected {choices}, got {_shown(value)}.", "Choose one of these."
    expected = said[:1].lower() + said[1:]
    for name, word in KINDS.items():
        expected = expected.replace(f"expected `{name}`", f"expected {word}")
    if expected.startswith("expected"):
        expected = f"{expected.split(', got ')[0]}, got {_shown(value)}"
    return f"{expected}.", "Correct it, or export it again."


def _bounds(kind: inspect.FloatType | inspect.IntType) -> str:
    words = (("above", kind.gt), ("of at least", kind.ge), ("below", kind.lt), ("at most", kind.le))
    return " and ".join(f"{word} {bound:.12g}" for word, bound in words if bound is not None)


def _is_below(kind: inspect.FloatType | inspect.IntType, value: float) -> bool | None:
    """Whether a number is under its range, or over it; None where it is neither."""
    if (kind.gt is not None and value <= kind.gt) or (kind.ge is not None and value < kind.ge):
        return True
    over = (kind.lt is not None and value >= kind.lt) or (kind.le is not None and value > kind.le)
    return False if over else None


def _counted(
    kind: inspect.StrType | inspect.VarTupleType, count: int, one: str, many: str
) -> tuple[str, str]:
    short = kind.min_length is not None and count < kind.min_length
    limit = kind.min_length if short else kind.max_length
    most = f"at {'least' if short else 'most'} {limit} {one if limit == 1 else many}"
    return f"expected {most}, got {count}.", "Add some." if short else "Leave some out."


def _shown(value: Any) -> str:
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise ShotError(
        "Shot",
        f"expected numbers, texts, tuples and parts, got {_shown(value)} somewhere in it.",
        "Put arrays into its ArraySet, and lists of numbers in place of other things.",
    )
