"""Weights of `torch.nn.TransformerEncoder`, `TransformerDecoder` and a causal encoder, both ways.

torch keeps the projections of query, keys and values of self-attention as one matrix; ours keep
the query apart, since a memory's keys are projected by themselves.

A whole `torch.nn.Transformer` is an encoder and a decoder: their names begin with `encoder.` and
`decoder.`, which `prefix` takes away.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ostinato.errors import CheckpointError
from ostinato.layers.causal_transformer import CausalTransformer
from ostinato.layers.multi_head import MultiHeadAttention
from ostinato.layers.transformer_block import DecoderBlock
from ostinato.layers.transformer_stack import TransformerDecoder, TransformerEncoder

TransformerStack = TransformerEncoder | TransformerDecoder | CausalTransformer


def load_torch_transformer(
    stack: TransformerStack, weights: Mapping[str, Tensor], *, prefix: str = ""
) -> None:
    """Copy the state dict of a `torch.nn.TransformerEncoder` or `TransformerDecoder` into `stack`.

    Norms before or after are no weights: make the stack as `norm_first` says, and with
    `final_norm=True` where torch's module has a norm at its end, as `torch.nn.Transformer` always.

    Args:
        stack: of the same sizes and depth. A `CausalTransformer` takes an encoder's.
        weights: as `module.state_dict()` returns them.
        prefix: what the names begin with, as "encoder."; others are left alone.

    Raises:
        CheckpointError: a name is missing or too many, or a shape differs.
    """
    given = {
        name.removeprefix(prefix): weight
        for name, weight in weights.items()
        if name.startswith(prefix)
    }
    ours = {name: torch.cat([part.detach() for part in parts]) for name, parts in _named(stack)}
    missing, unknown = ours.keys() - given.keys(), given.keys() - ours.keys()
    if missing or unknown:
        raise CheckpointError(
            "the torch state dict does not fit this Transformer: "
            f"missing {sorted(missing) or 'nothing'}, unexpected {sorted(unknown) or 'nothing'}"
        )
    for name, value in ours.items():
        if value.shape != given[name].shape:
            raise CheckpointError(
                f"{name} has shape {tuple(given[name].shape)} in the torch state dict and "
                f"{tuple(value.shape)} here"
            )
    with torch.no_grad():
        for name, parts in _named(stack):
            pieces = given[name].split([len(part) for part in parts])
            for part, piece in zip(parts, pieces, strict=True):
                part.copy_(piece)


def torch_transformer_state_dict(stack: TransformerStack) -> dict[str, Tensor]:
    """The weights of `stack` under the names of torch's module of the same kind.

    The positions of a `CausalTransformer` are not among them: torch's modules have none.
    """
    return {name: torch.cat([part.detach() for part in parts]) for name, parts in _named(stack)}


def _named(stack: TransformerStack) -> Iterator[tuple[str, list[Tensor]]]:
    """Each of torch's names, and those of our parameters that make it up, row upon row."""
    for depth, block in enumerate(stack.blocks):
        start = f"layers.{depth}."
        yield from _of_attention(f"{start}self_attn.", block.attention)  # pyright: ignore[reportArgumentType]
        norms = [block.around_attention.norm, block.around_feed_forward.norm]
        if isinstance(block, DecoderBlock):
            yield from _of_attention(f"{start}multihead_attn.", block.memory_attention)
            norms.insert(1, block.around_memory.norm)
        yield from _of_pair(f"{start}linear1.", block.feed_forward.inner)  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
        yield from _of_pair(f"{start}linear2.", block.feed_forward.outer)  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
        for number, norm in enumerate(norms, start=1):
            yield from _of_pair(f"{start}norm{number}.", norm)  # pyright: ignore[reportArgumentType]
    if isinstance(stack.final_norm, nn.LayerNorm):
        yield from _of_pair("norm.", stack.final_norm)


def _of_attention(start: str, attention: MultiHeadAttention) -> Iterator[tuple[str, list[Tensor]]]:
    query, rest = attention.query, attention.keys_values
    yield f"{start}in_proj_weight", [query.weight, rest.weight]
    yield f"{start}in_proj_bias", [query.bias, rest.bias]
    yield from _of_pair(f"{start}out_proj.", attention.output)


def _of_pair(start: str, module: nn.Linear | nn.LayerNorm) -> Iterator[tuple[str, list[Tensor]]]:
    yield f"{start}weight", [module.weight]
    yield f"{start}bias", [module.bias]
