"""How well a language model predicts text: exact over whole documents."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from ostinato.data import EvaluationWindows, TokenPart, Window

_BATCH = 32
_WINDOW = 512
_GOLDEN = (math.sqrt(5) - 1) / 2


@torch.no_grad()
def evaluate(
    model: nn.Module,
    part: TokenPart,
    *,
    batch_size: int = _BATCH,
    window: int = _WINDOW,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """How well the model predicts a part: each document from its start, with carried state.

    The figures are exact and do not depend on `batch_size` or `window` but for rounding.

    Args:
        model: a language model.
        part: what to predict.
        batch_size: documents read side by side.
        window: tokens of a document read in one call.
        limit: stop after about so many tokens, of documents from all over the part. The figures
            are then of these, and bits per character and byte reckoned from the part's own tokens
            per character. None: all.
        progress: called with the tokens done and those in all. None: nobody listens.

    Returns:
        nats_per_token, bits_per_token, perplexity, bits_per_character, bits_per_byte, tokens, and
        unknown_share, the share of the part's tokens that the tokeniser does not know: nothing is
        paid for spelling these.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    nats, tokens, state = 0.0, 0, None
    total = min(part.counted_targets, limit or part.counted_targets)
    progress = progress or _nobody_listens
    progress(0, total)
    for read in _windows(EvaluationWindows(part, batch_size, window), limit):
        if read.fresh:
            state = model.initial_state(read.inputs.shape[0])  # pyright: ignore[reportCallIssue]
        features, state = model(read.inputs.to(device), state)
        losses = model.loss(features, read.targets.to(device))  # pyright: ignore[reportCallIssue]
        nats += float(losses.double()[read.counted.to(device)].sum())
        tokens += read.units
        progress(min(tokens, total), total)
    model.train(was_training)
    return _figures(nats, tokens, part)


def _nobody_listens(done_tokens: int, total_tokens: int) -> None:
    pass


def validation(
    part: TokenPart | None, limit: int | None
) -> Callable[[nn.Module], dict[str, Any]] | None:
    """What the trainer calls to validate; None where there is no part for it.

    Args:
        part: to predict.
        limit: as `evaluate` takes it.
    """
    if part is None:
        return None

    def validate(model: nn.Module) -> dict[str, Any]:
        figures = evaluate(model, part, limit=limit)
        return {"nats_per_unit": figures["nats_per_token"], **figures}

    return validate


def _windows(windows: EvaluationWindows, limit: int | None) -> Iterator[Window]:
    """Windows group by group until `limit` targets were counted; always at least one window.

    Groups lie in order of their documents' length. Any few of multiples of the golden ratio, modulo
    1, are evenly spread, so that a part of the groups in this order has long and short ones alike.
    """
    starts = windows.group_starts
    groups = range(len(starts) - 1)
    if limit is not None:
        groups = sorted(groups, key=lambda group: group * _GOLDEN % 1)
    tokens = 0
    for group in groups:
        for index in range(int(starts[group]), int(starts[group + 1])):
            read = windows[index]
            yield read
            tokens += read.units
            if limit is not None and tokens >= limit:
                return


def _perplexity(nats_per_token: float) -> float:
    """Infinity where no number is large enough, as after a training that diverged."""
    try:
        return math.exp(nats_per_token)
    except OverflowError:
        return math.inf


def _figures(nats: float, tokens: int, part: TokenPart) -> dict[str, float]:
    per_token = nats / max(1, tokens)
    bits = per_token / math.log(2)
    return {
        "nats_per_token": per_token,
        "bits_per_token": bits,
        "perplexity": _perplexity(per_token),
        "bits_per_character": bits * part.counted_targets / max(1, part.characters),
        "bits_per_byte": bits * part.counted_targets / max(1, part.bytes),
        "tokens": tokens,
        "unknown_share": part.record.unknown_tokens / max(1, part.counted_targets),
    }
