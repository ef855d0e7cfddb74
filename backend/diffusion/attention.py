"""Attention across the rows of a batch: each row's self-attention reads the rows that it is told.

Multiple cross-frame attention (MotionCraft, arXiv 2405.13557; MCFA) and the attention to the first
frame of Text2Video-Zero (arXiv 2303.13439) are such tables of who reads whom. Only self-attention
(attn1) changes; what attends to the text stays as it is. Rows may also read keys and values that
were kept of an earlier pass: then their frame need not be in the batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import sqrt
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F

from .models import DiffusionModel

Reads = tuple[tuple[int, ...], ...]
"For each row of the batch the rows that it reads; kept ones count first, then those of the batch."
Kept = list[tuple[torch.Tensor, torch.Tensor]]
"Keys and values (rows, tokens, channels) of every self-attention, in the network's order."
Pattern = Literal["first+previous", "first", "previous", "none"]

QUERIES = 1024
"Tokens of a slice, where attention is computed in slices."


def read_references(references: int, new: int, *, itself: bool = False) -> Reads:
    """Return who reads whom among reference rows, then rows of the new frame.

    Each reference reads itself, each new row all references and not itself (MCFA), or also
    `itself`. Without references it reads itself, as ever.
    """
    shared = tuple(range(references))
    own = [(references + row,) for row in range(new)]
    rows = [shared + mine if itself or not shared else shared for mine in own]
    return tuple((row,) for row in shared) + tuple(rows)


def read_frames(frames: int, pattern: Pattern, *, blocks: int = 1, itself: bool = False) -> Reads:
    """Return who reads whom in batches of (guidance block x frame), as zero-shot video reads.

    Every frame reads the first and the previous one of its own block, or one of the two; the
    first frame reads itself. `first` is Text2Video-Zero's.
    """
    rows = []
    for first in range(0, blocks * frames, frames):
        for frame in range(first, first + frames):
            previous = max(frame - 1, first)
            read = {
                "first+previous": [first, previous], "first": [first], "previous": [previous],
                "none": [frame],
            }[pattern]  # fmt: skip
            rows.append(tuple(dict.fromkeys([*read, frame] if itself else read)))
    return tuple(rows)


class CrossFrames:
    """Cross-frame attention of one model, in place only inside `reading` and `recording`.

    The processors are made once: a compiled network knows them again. What was set before, such
    as sliced attention, is back afterwards.
    """

    def __init__(self, model: DiffusionModel) -> None:
        found = {
            name: module
            for name, module in model.unet.named_modules()
            if name.endswith(".attn1") and hasattr(module, "set_processor")
        }
        self._layers: list[Any] = list(found.values())
        self._levels = [_level(name, len(model.unet.down_blocks)) for name in found]
        chunk = QUERIES if model.precision.attention_slicing else None
        self._processors = [_CrossFrameProcessor(chunk) for _ in self._layers]

    def numbers_a_row(self, height: int, width: int) -> int:
        """Count the numbers that all layers' keys and values have for a latent of this size."""
        total = 0
        for layer, level in zip(self._layers, self._levels, strict=True):
            tokens = -(-height // 2**level) * -(-width // 2**level)
            total += tokens * (layer.to_k.out_features + layer.to_v.out_features)
        return total

    @contextmanager
    def reading(self, reads: Reads, kept: Kept | None = None) -> Iterator[None]:
        """Have the rows of a batch read each other's tokens, or `kept` ones, as the table says."""
        for processor, tokens in zip(self._processors, kept or self._nothing(), strict=True):
            processor.reads, processor.kept = reads, tokens
        with self._in_place():
            yield

    @contextmanager
    def recording(self, reads: Reads | None = None, kept: Kept | None = None) -> Iterator[Kept]:
        """As `reading`, and fill the list with the batch's own keys and values when it is left.

        Without `reads`, rows read themselves. One prediction belongs inside.
        """
        for processor, tokens in zip(self._processors, kept or self._nothing(), strict=True):
            processor.reads, processor.kept = reads, tokens
            processor.record = True
        tape: Kept = []
        try:
            with self._in_place():
                yield tape
            tape.extend(p.taken for p in self._processors if p.taken is not None)
        finally:
            for processor in self._processors:
                processor.record, processor.taken = False, None

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        before = [layer.processor for layer in self._layers]
        try:
            for layer, processor in zip(self._layers, self._processors, strict=True):
                layer.set_processor(processor)
            yield
        finally:
            for layer, processor in zip(self._layers, before, strict=True):
                layer.set_processor(processor)
            for processor in self._processors:
                processor.kept = None

    def _nothing(self) -> Sequence[None]:
        return [None] * len(self._layers)


def _level(name: str, levels: int) -> int:
    """How often the latent is halved where a layer is, from its name in the network."""
    block, number = name.split(".")[:2]
    if block == "mid_block":
        return levels - 1
    return int(number) if block == "down_blocks" else levels - 1 - int(number)


class _CrossFrameProcessor:
    """Self-attention of one layer, as diffusers calls it, over the tokens of other rows."""

    def __init__(self, chunk: int | None) -> None:
        self.chunk = chunk
        self.reads: Reads | None = None
        self.kept: tuple[torch.Tensor, torch.Tensor] | None = None
        self.record = False
        self.taken: tuple[torch.Tensor, torch.Tensor] | None = None

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,  # (B, L, C)
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        query = attn.to_q(hidden_states)
        key, value = attn.to_k(hidden_states), attn.to_v(hidden_states)
        if self.record:
            self.taken = key, value
        if self.kept is not None:
            key = torch.cat([self.kept[0], key])
            value = torch.cat([self.kept[1], value])
        reads = self.reads
        if reads is None:
            reads = tuple((row,) for row in range(len(query)))
        mixed = _attend(query, key, value, reads, attn.heads, self.chunk)
        return cast(torch.Tensor, attn.to_out[1](attn.to_out[0](mixed)))


def _attend(
    query: torch.Tensor,  # (B, L, C)
    key: torch.Tensor,  # (rows that can be read, L, C)
    value: torch.Tensor,
    reads: Reads,
    heads: int,
    chunk: int | None,
) -> torch.Tensor:
    """Softmax(Q K^T / sqrt(d)) V, row by row of `reads`; rows that read alike go together."""
    if len(reads) != len(query):
        raise ValueError(f"expected a batch of {len(reads)} rows, got {len(query)}")
    out: list[torch.Tensor | None] = [None] * len(reads)
    for length in sorted({len(read) for read in reads}):
        rows = [row for row, read in enumerate(reads) if len(read) == length]
        # Indexing by whole numbers only: an index tensor would wait for the device each time.
        keys = _heads(torch.stack([_tokens(key, reads[row]) for row in rows]), heads)
        values = _heads(torch.stack([_tokens(value, reads[row]) for row in rows]), heads)
        queries = _heads(torch.stack([query[row] for row in rows]), heads)
        parts = torch.split(queries, chunk, dim=2) if chunk else [queries]
        mixed = torch.cat(
            [
                F.scaled_dot_product_attention(part, keys, values, scale=1 / sqrt(part.shape[-1]))
                for part in parts
            ],
            dim=2,
        )
        for row, one in zip(rows, mixed.transpose(1, 2).flatten(2), strict=True):
            out[row] = one
    return torch.stack(cast(list[torch.Tensor], out))


def _tokens(tokens: torch.Tensor, read: tuple[int, ...]) -> torch.Tensor:
    """The tokens (n L, C) of the rows that are read, one after the other."""
    return torch.cat([tokens[row] for row in read]) if len(read) > 1 else tokens[read[0]]


def _heads(tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, L, C) to (B, heads, L, C / heads)."""
    rows, count, width = tokens.shape
    return tokens.view(rows, count, heads, width // heads).transpose(1, 2)
