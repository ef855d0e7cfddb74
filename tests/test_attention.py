"""Cross-frame attention against a slow twin, and what it must leave as it was."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import SlicedAttnProcessor
from numpy.typing import NDArray

from impetus.backend.diffusion.attention import (
    CrossFrames,
    Reads,
    read_frames,
    read_references,
)
from impetus.backend.diffusion.models import DiffusionModel, Text, open_model
from tests.tiny_model import write_model

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def model(folder: Path) -> DiffusionModel:
    return open_model(folder, device="cpu")


@pytest.fixture
def text(model: DiffusionModel) -> Text:
    return model.embed(["a red ball"])


def rows(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 4, 4, 4, generator=torch.Generator().manual_seed(seed))


def slow_attention(tokens: Array, reads: Reads, layer: torch.nn.Module) -> Array:
    """One row, one head, one query after the other."""
    weights = {name: value.double().numpy() for name, value in layer.state_dict().items()}
    heads = int(layer.heads)
    out = np.zeros_like(tokens)
    width = tokens.shape[2] // heads
    for row, read in enumerate(reads):
        seen = np.concatenate([tokens[r] for r in read])
        q = tokens[row] @ weights["to_q.weight"].T
        k, v = (seen @ weights[f"to_{name}.weight"].T for name in "kv")
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            for token in range(tokens.shape[1]):
                scores = k[:, part] @ q[token, part] / np.sqrt(width)
                shares = np.exp(scores - scores.max())
                out[row, token, part] = shares / shares.sum() @ v[:, part]
    return out @ weights["to_out.0.weight"].T + weights["to_out.0.bias"]


TABLES: list[Reads] = [
    read_references(2, 2),
    read_references(1, 3),
    read_references(2, 2, itself=True),
    read_frames(2, "first", blocks=2),
    read_frames(4, "previous"),
    read_frames(4, "first+previous", itself=True),
    ((3,), (0, 1, 2, 3), (2,), (1, 2)),
]


@pytest.mark.parametrize("reads", TABLES, ids=str)
@pytest.mark.parametrize("sliced", [False, True])
def test_every_row_reads_what_the_table_says(
    folder: Path, reads: Reads, sliced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impetus.backend.diffusion.attention.QUERIES", 3)
    model = open_model(folder, device="cpu")
    if sliced:
        object.__setattr__(model.precision, "attention_slicing", True)
    layer = model.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1
    tokens = torch.randn(4, 10, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), CrossFrames(model).reading(reads):
        out = layer(tokens)
    expected = slow_attention(tokens.double().numpy(), reads, layer)
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_paper_reads_first_and_previous_and_not_itself() -> None:
    assert read_references(2, 2) == ((0,), (1,), (0, 1), (0, 1))
    assert read_references(1, 2) == ((0,), (0,), (0,))
    assert read_references(0, 2) == ((0,), (1,))


def test_frames_read_within_their_block() -> None:
    assert read_frames(3, "first", blocks=2) == ((0,), (0,), (0,), (3,), (3,), (3,))
    assert read_frames(3, "first+previous") == ((0,), (0,), (0, 1))
    assert read_frames(2, "none", blocks=2) == ((0,), (1,), (2,), (3,))


def test_rows_that_read_themselves_change_nothing(model: DiffusionModel, text: Text) -> None:
    z = rows(3)
    plain = model.predict(z, 300, text)
    with CrossFrames(model).reading(((0,), (1,), (2,))):
        torch.testing.assert_close(model.predict(z, 300, text), plain, rtol=1e-4, atol=1e-5)


def test_reading_a_row_twice_is_reading_it_once(model: DiffusionModel, text: Text) -> None:
    """Softmax over doubled tokens is the same mean: the paper doubles to have equal lengths."""
    cross = CrossFrames(model)
    z = rows(3)
    with cross.reading(((0, 0), (1, 1), (0, 1))):
        doubled = model.predict(z, 300, text)
    with cross.reading(((0,), (1,), (0, 1))):
        once = model.predict(z, 300, text)
    torch.testing.assert_close(doubled, once, rtol=1e-4, atol=1e-5)


def test_the_paper_s_six_rows_are_our_four(model: DiffusionModel, text: Text) -> None:
    """The references' negative prompt is their prompt, so both guidance blocks hold the same."""
    first, previous, new = rows(3)
    negative = model.embed(["blurry"])
    cross = CrossFrames(model)
    six = torch.stack([first, previous, new, first, previous, new])
    texts = Text(torch.cat([text.embeddings, text.embeddings, negative.embeddings,
                            *[text.embeddings] * 3]))  # fmt: skip
    with cross.reading(((0,), (1,), (0, 1), (3,), (4,), (3, 4))):
        theirs = model.predict(six, 300, texts)
    four = torch.stack([first, previous, new, new])
    texts = Text(torch.cat([*[text.embeddings] * 3, negative.embeddings]))
    with cross.reading(read_references(2, 2)):
        ours = model.predict(four, 300, texts)
    torch.testing.assert_close(ours[2], theirs[5], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours[3], theirs[2], rtol=1e-4, atol=1e-5)


def test_kept_tokens_serve_as_the_row_itself(model: DiffusionModel, text: Text) -> None:
    cross = CrossFrames(model)
    z = rows(3)
    with cross.reading(read_references(2, 1)):
        together = model.predict(z, 300, text)
    with cross.recording() as kept:
        model.predict(z[:1], 300, text)
    with cross.reading(((1,), (0, 1)), kept):
        apart = model.predict(z[1:], 300, text)
    torch.testing.assert_close(apart, together[1:], rtol=1e-4, atol=1e-5)


def test_nothing_holds_on_to_what_was_kept(model: DiffusionModel, text: Text) -> None:
    """At each of 80 steps every layer's tokens are kept: all would stay in memory."""
    for reads in (False, True):
        cross = CrossFrames(model)
        with cross.recording() as kept:
            model.predict(rows(1), 300, text)
        if reads:
            with cross.reading(((0, 1),), kept):
                model.predict(rows(1), 300, text)
        held = [weakref.ref(tokens) for layer in kept for tokens in layer]
        del kept
        gc.collect()
        assert not [tokens for tokens in held if tokens() is not None]


def test_it_is_gone_afterwards_and_text_attention_was_never_touched(
    model: DiffusionModel, text: Text
) -> None:
    model.unet.set_attention_slice(1)
    before = dict(model.unet.attn_processors)
    assert all(isinstance(p, SlicedAttnProcessor) for p in before.values())
    with CrossFrames(model).reading(((0,), (0,))):
        inside = dict(model.unet.attn_processors)
    changed = {name for name, p in inside.items() if p is not before[name]}
    assert changed == {name for name in before if ".attn1." in name}
    assert dict(model.unet.attn_processors) == before


def test_it_is_gone_after_an_error_too(model: DiffusionModel) -> None:
    before = dict(model.unet.attn_processors)
    cross = CrossFrames(model)
    with pytest.raises(InterruptedError), cross.recording():
        raise InterruptedError
    assert dict(model.unet.attn_processors) == before


def test_a_batch_of_another_size_is_refused(model: DiffusionModel, text: Text) -> None:
    with (
        CrossFrames(model).reading(read_references(2, 2)),
        pytest.raises(ValueError, match="expected a batch of 4 rows, got 3"),
    ):
        model.predict(rows(3), 300, text)


def test_gradients_pass_to_the_rows_that_are_read(model: DiffusionModel, text: Text) -> None:
    z = rows(2).requires_grad_()
    with CrossFrames(model).reading(((0,), (0,))):
        model.predict(z, 300, text)[1].square().sum().backward()
    assert z.grad is not None
    assert float(z.grad[0].abs().sum()) > 0
