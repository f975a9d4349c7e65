"""Attention and transformers of torch in the ways they are called."""

from __future__ import annotations

import warnings

import torch
from torch import nn


def mha(**arguments):
    """Attention over 8 channels with biases that are not zero, as they are after training."""
    module = nn.MultiheadAttention(8, arguments.pop("heads", 2), **arguments)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.3)
    return module


def encoder(layers=2, nested=True, heads=2, **arguments):
    """A transformer's encoder over 8 channels."""
    layer = nn.TransformerEncoderLayer(8, heads, 12, dropout=0.0, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.TransformerEncoder(layer, layers, nn.LayerNorm(8), enable_nested_tensor=nested)


def decoder(**arguments):
    """A transformer's decoder over 8 channels."""
    layer = nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, **arguments)
    return nn.TransformerDecoder(layer, 1)


def attention_examples():
    """By a name, a module, its inputs and its keywords."""
    generator = torch.Generator().manual_seed(1)

    def noise(*size):
        return torch.randn(size, generator=generator)

    x, long, short = noise(3, 5, 8), noise(5, 3, 8), noise(5, 8)
    memory, wide, other = noise(3, 4, 8), noise(3, 4, 6), noise(3, 4, 7)
    padding = torch.tensor([[0, 0, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]).bool()
    scattered = torch.tensor([[0, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 1, 0, 0]]).bool()
    causal = torch.ones(5, 5).triu(1).bool()
    added, lacking = noise(5, 5), torch.rand(6, 5, 5, generator=generator) < 0.3
    lacking[:, :, 0] = False  # every query has something to attend to
    quick = {"need_weights": False}
    first, unlike = mha(batch_first=True), mha(kdim=6, vdim=7, batch_first=True)
    return {
        "attention": (first, (x, x, x), {}),
        "attention, quick": (first, (x, x, x), quick),
        "attention, length first": (mha(), (long, long, long), quick),
        "attention, unbatched": (mha(), (short, short, short), {}),
        "attention, unbatched, quick": (first, (short, short, short), quick),
        "attention, crossed": (first, (x, memory, memory), {}),
        "attention, other widths": (unlike, (x, wide, other), quick),
        "attention, no bias": (mha(bias=False), (long, long, long), {}),
        "attention, one head": (mha(heads=1, batch_first=True), (x, x, x), quick),
        "attention, padding": (first, (x, x, x), {"key_padding_mask": padding}),
        "attention, padding, quick": (first, (x, x, x), {"key_padding_mask": padding, **quick}),
        "attention, padding added": (
            first,
            (x, x, x),
            {"key_padding_mask": noise(3, 5), "attn_mask": added, **quick},
        ),
        "attention, unbatched padding": (
            mha(),
            (short, short, short),
            {"key_padding_mask": padding[1], **quick},
        ),
        "attention, mask": (first, (x, x, x), {"attn_mask": causal}),
        "attention, mask added": (first, (x, x, x), {"attn_mask": added, **quick}),
        "attention, mask a head": (first, (x, x, x), {"attn_mask": lacking, **quick}),
        "attention, both masks": (
            first,
            (x, x, x),
            {"attn_mask": causal, "key_padding_mask": padding},
        ),
        "attention, causal": (first, (x, x, x), {"attn_mask": causal, "is_causal": True, **quick}),
        "attention, causal, weights": (
            first,
            (x, x, x),
            {"attn_mask": causal, "is_causal": True, "key_padding_mask": padding},
        ),
        "attention, a head's weights": (first, (x, x, x), {"average_attn_weights": False}),
        "attention, unbatched heads": (
            mha(),
            (short, short, short),
            {"average_attn_weights": False},
        ),
        "attention, more keys": (
            mha(add_bias_kv=True, add_zero_attn=True, batch_first=True),
            (x, x, x),
            {"attn_mask": causal, "key_padding_mask": padding},
        ),
        "attention, more keys, quick": (mha(add_bias_kv=True), (long, long, long), quick),
        "encoder": (encoder(batch_first=True), (x,), {}),
        "encoder, nested": (encoder(batch_first=True), (x,), {"src_key_padding_mask": padding}),
        "encoder, not nested": (
            encoder(nested=False, batch_first=True),
            (x,),
            {"src_key_padding_mask": padding},
        ),
        "encoder, scattered": (
            encoder(batch_first=True),
            (x,),
            {"src_key_padding_mask": scattered},
        ),
        "encoder, causal": (encoder(batch_first=True), (x,), {"mask": causal, "is_causal": True}),
        "encoder, length first": (
            encoder(norm_first=True, activation="gelu"),
            (long,),
            {"mask": added, "src_key_padding_mask": noise(3, 5)},
        ),
        "encoder, unbatched": (encoder(bias=False), (short,), {}),
        "encoder, its own activation": (
            encoder(batch_first=True, heads=1, activation=torch.tanh),
            (x,),
            {"src_key_padding_mask": padding},
        ),
        "decoder": (
            decoder(batch_first=True),
            (x, memory),
            {"tgt_mask": causal, "tgt_is_causal": True, "memory_key_padding_mask": padding[:, 1:]},
        ),
        "decoder, length first": (decoder(norm_first=True), (long, noise(4, 3, 8)), {}),
    }
