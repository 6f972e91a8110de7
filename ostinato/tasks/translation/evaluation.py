"""How well a model translates: its loss while training, BLEU and chrF of what it writes."""

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ostinato.data import BatchLimits, PairBatches, PairPart
from ostinato.errors import missing_extra

_BATCH = BatchLimits(tokens=4096, pairs=128)
_LENGTHS = (10, 20, 30, 40, 50)


@torch.no_grad()
def evaluate_loss(model: nn.Module, part: PairPart) -> dict[str, float]:
    """How well the model predicts the targets of a part.

    Returns:
        nats_per_token, bits_per_token and perplexity of the targets' tokens with their ends, their
        number (tokens), and unknown_share, the share of them that is unknown and cannot be copied.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    nats, batches = 0.0, PairBatches(part, _BATCH)
    for index in range(len(batches)):
        window = batches[index]
        copied = window.copied
        losses = model.loss(  # pyright: ignore[reportCallIssue]
            window.inputs.to(device),
            window.source_lengths.to(device),
            window.target_in.to(device),
            window.targets.to(device),
            window.target_lengths.to(device),
            **({} if copied is None else {"copied": copied.to(device)}),
        )
        nats += float(losses.double()[window.counted.to(device)].sum())
    model.train(was_training)
    per_token = nats / part.counted_targets
    return {
        "nats_per_token": per_token,
        "bits_per_token": per_token / math.log(2),
        "perplexity": math.exp(per_token) if per_token < 700 else math.inf,
        "tokens": part.counted_targets,
        "unknown_share": part.unknown_share,
    }


def validation(part: PairPart | None) -> Callable[[nn.Module], dict[str, Any]] | None:
    """What the trainer calls to validate; None where there is no part for it."""
    if part is None:
        return None

    def validate(model: nn.Module) -> dict[str, Any]:
        figures = evaluate_loss(model, part)
        return {"nats_per_unit": figures["nats_per_token"], **figures}

    return validate


def score(translations: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """What translations are worth, against one reference each, by sacreBLEU.

    Returns:
        bleu and chrf, from 0 to 100; exact_match, the share that is the reference itself; their
        number, sentences; and signature, which says how BLEU and chrF were computed.

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """
    metrics = _sacrebleu().metrics
    bleu, chrf = metrics.BLEU(), metrics.CHRF()
    pairs = list(zip(translations, references, strict=True))
    return {
        "bleu": bleu.corpus_score(list(translations), [list(references)]).score,
        "chrf": chrf.corpus_score(list(translations), [list(references)]).score,
        "exact_match": sum(one == other for one, other in pairs) / len(pairs),
        "sentences": len(pairs),
        "signature": f"BLEU {bleu.get_signature()}; chrF {chrf.get_signature()}",
    }


def bleu_by_length(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[str]
) -> list[tuple[str, int, float]]:
    """BLEU of the sentences whose sources have up to 10, 11 to 20, ... words.

    Returns:
        For each length that there is: its name, its number of sentences, and their BLEU.
    """
    groups: dict[int, list[int]] = {}
    for number, source in enumerate(sources):
        words = len(source.split())
        group = sum(words > length for length in _LENGTHS)
        groups.setdefault(group, []).append(number)
    bleu = _sacrebleu().metrics.BLEU()
    told = []
    for group, numbers in sorted(groups.items()):
        some = [translations[number] for number in numbers]
        theirs = [references[number] for number in numbers]
        told.append((_name(group), len(numbers), bleu.corpus_score(some, [theirs]).score))
    return told


def _name(group: int) -> str:
    first = _LENGTHS[group - 1] + 1 if group else 1
    return f"{first}-{_LENGTHS[group]}" if group < len(_LENGTHS) else f"{first} and more"


def require_sacrebleu() -> None:
    """Raise MissingExtraError now, and not after an hour of translating."""
    _sacrebleu()


def _sacrebleu() -> ModuleType:
    try:
        import sacrebleu
    except ImportError as error:
        raise missing_extra("sacrebleu", "translation") from error
    return sacrebleu
