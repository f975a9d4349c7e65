"""Token ids where there are none: drawn from a vocabulary, then moved towards what is predicted.

Random ids give second moments nearly as good as text does (``docs/search.md``). Where the network
predicts tokens, some ids are drawn anew from its own predictions, which brings them nearer to what
it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.batches import logits_of, rows_of
from tenfold.network.call import call, evaluating, run
from tenfold.network.inputs import leaves, mapped
from tenfold.network.watch import watching_inputs

LEAST = 16  # entries of a table of tokens; kinds of segments are fewer
BATCH = 32
ROUNDS, SHARE = 4, 0.5  # of drawing anew, and of the positions each time


@dataclass(frozen=True)
class Vocabulary:
    """How many ids there are, the one that pads if any, and a tensor ``(batch, time)`` of them."""

    size: int
    padding: int | None
    ids: Tensor


def find_vocabulary(model: nn.Module, example: Any) -> Vocabulary | None:
    """The largest table that looks up an input of the example itself; None where none does."""
    tensors = integers_in(example)
    vocabularies: list[Vocabulary] = []

    def look(layer: Any, args: tuple[Any, ...]) -> None:
        for x in tensors:
            if args and isinstance(args[0], Tensor) and same(args[0], x):
                vocabularies.append(Vocabulary(layer.num_embeddings, layer.padding_idx, x))

    tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    if not tensors or not tables:
        return None
    with watching_inputs(dict.fromkeys(tables, look)):
        run(model, example)
    best = max(vocabularies, key=lambda each: each.size, default=None)
    return best if best is not None and best.size >= LEAST else None


def integers_in(example: Any) -> list[Tensor]:
    """Tensors ``(batch, time)`` of whole numbers."""
    return [x for x in leaves(example) if x.ndim == 2 and not x.is_floating_point()]


def same(one: Tensor, other: Tensor) -> bool:
    """Whether a table is asked for these very ids."""
    return one.shape == other.shape and one.dtype == other.dtype and bool((one == other).all())


def made_tokens(model: nn.Module, example: Any, count: int) -> tuple[Any, ...]:
    """Batches like the example with ids of their own, drawn from torch's random state.

    First and last ids stay as the example has them, where networks expect marks. The model must
    have a vocabulary that ``find_vocabulary`` finds.
    """
    vocabulary = find_vocabulary(model, example)
    assert vocabulary is not None
    batches = []
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        ids = drawn_ids(vocabulary, size)
        put = fill_in(example, vocabulary.ids, ids)
        batches.append(improved(model, put, ids, vocabulary))
    return tuple(batches)


def drawn_ids(vocabulary: Vocabulary, count: int) -> Tensor:
    """Ids ``(count, time)``, each as likely as another, between the example's marks."""
    like = vocabulary.ids[torch.randint(len(vocabulary.ids), (count,))]
    ids = torch.randint(vocabulary.size, like.shape).to(like)
    if vocabulary.padding is not None:
        ids = torch.where(ids == vocabulary.padding, like, ids)
    return framed(ids, like)


def framed(ids: Tensor, like: Tensor) -> Tensor:
    """With the first and the last id of the example where there is room between."""
    if ids.shape[1] < 4:
        return ids
    ids = ids.clone()
    ids[:, 0], ids[:, -1] = like[:, 0], like[:, -1]
    return ids


def fill_in(example: Any, place: Tensor, ids: Tensor) -> Any:
    """The example with ``ids`` in the place of its own, and as many rows of all else."""
    rows = rows_of(example)

    def put(x: Tensor) -> Tensor:
        if x is place:
            return ids
        if not x.ndim or len(x) != rows:
            return x
        return x[torch.arange(len(ids)) % rows]

    return mapped(put, example)


@torch.no_grad()
def improved(model: nn.Module, inputs: Any, ids: Tensor, vocabulary: Vocabulary) -> Any:
    """The inputs with ids drawn from what the network predicts; as they are where it predicts none.
    A network that predicts the next token gets its predictions one place on."""
    with evaluating(model):
        scores = predicted(model, inputs, ids, vocabulary)
        if scores is None:
            return inputs
        later = looks_back_only(model, inputs, ids, scores, vocabulary)
        for _ in range(ROUNDS):
            fresh = torch.multinomial(scores.softmax(-1).flatten(0, 1), 1).view_as(ids).to(ids)
            fresh = torch.cat([ids[:, :1], fresh[:, :-1]], 1) if later else fresh
            chosen = torch.rand(ids.shape).to(ids.device) < SHARE
            new = framed(torch.where(chosen, fresh, ids), ids)
            inputs, ids = fill_in(inputs, held_in(inputs, ids), new), new
            scores = predicted(model, inputs, ids, vocabulary)
            assert scores is not None
    return inputs


def held_in(inputs: Any, ids: Tensor) -> Tensor:
    """The tensor of the inputs that holds the ids."""
    return next(x for x in integers_in(inputs) if x is ids)


def predicted(model: nn.Module, inputs: Any, ids: Tensor, vocabulary: Vocabulary) -> Tensor | None:
    """Scores ``(batch, time, ids)`` of the vocabulary; None for an output of another kind."""
    scores = logits_of(call(model, inputs))
    if scores.shape != (*ids.shape, vocabulary.size) or not scores.is_floating_point():
        return None
    return scores.float()


def looks_back_only(
    model: nn.Module, inputs: Any, ids: Tensor, scores: Tensor, vocabulary: Vocabulary
) -> bool:
    """Whether another last id leaves the scores before it as they were."""
    other = ids.clone()
    other[:, -1] = (other[:, -1] + 1) % vocabulary.size
    again = predicted(model, fill_in(inputs, ids, other), other, vocabulary)
    early = slice(0, -1)
    return again is not None and torch.allclose(again[:, early], scores[:, early], atol=1e-4)
