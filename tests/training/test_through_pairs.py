"""Whole pairs in the training loop: the same resumed, the same in slices; and they are learnt."""

from pathlib import Path

import pytest
import torch
from small_runs import StopAfter, weights
from torch import Tensor

from ostinato import (
    GRU,
    Attention,
    BahdanauDecoder,
    DecoderOptions,
    LuongDecoder,
    RecurrentEncoder,
    ScheduledSampling,
    SequenceToSequence,
)
from ostinato.data import PairWindow, join_pairs
from ostinato.layers import AdditiveScore
from ostinato.training import (
    Journal,
    Observer,
    Optimisation,
    Schedule,
    ThroughPairs,
    Trainer,
    TrainingPlan,
    build_optimiser,
)

VOCABULARY, SIZE = 9, 16


def make_model(*, hard: bool = False, size: int = SIZE) -> SequenceToSequence:
    encoder = RecurrentEncoder(VOCABULARY, size, GRU(size, size // 2, bidirectional=True))
    attention = Attention(AdditiveScore(size, size), hard=hard)
    if hard:
        decoder = LuongDecoder(VOCABULARY, size, GRU(size, size), attention, size)
        return SequenceToSequence(encoder, decoder)
    options = DecoderOptions(dropout=0.1, scheduled_sampling=ScheduledSampling(updates=5))
    decoder = BahdanauDecoder(
        VOCABULARY, size, GRU(2 * size, size), attention, size, options=options
    )
    return SequenceToSequence(encoder, decoder, label_smoothing=0.1)


class Reversed:
    """An epoch of batches; a target is its source from the last token to the first."""

    def __init__(self, epoch: int, batches: int = 5, pairs: int = 4, longest: int = 4) -> None:
        self.epoch, self.batches, self.pairs, self.longest = epoch, batches, pairs, longest

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> PairWindow:
        chance = torch.Generator().manual_seed(1000 * self.epoch + index)
        lengths = torch.randint(2, self.longest + 1, (self.pairs,), generator=chance).tolist()
        sources = [torch.randint(3, VOCABULARY, (n,), generator=chance).tolist() for n in lengths]
        targets = [source[::-1] for source in sources]
        return join_pairs(
            sources, targets, start_index=1, end_index=2, pad_index=0, where=f"batch {index}"
        )


def make_trainer(
    folder: Path, *, hard: bool = False, observer: Observer | None = None, **plan: int
) -> Trainer:
    torch.manual_seed(3)
    model = make_model(hard=hard)
    optimisation = Optimisation(
        build_optimiser(model, "adamw", learning_rate=0.01), Schedule("cosine", 12, warm_up=2)
    )
    return Trainer(
        ThroughPairs(model),
        Reversed,
        TrainingPlan(
            updates=12, **({"validate_every": 99, "checkpoint_every": 3, "record_every": 2} | plan)
        ),
        optimisation,
        Journal(folder, "f"),
        observer=observer,
    )


@pytest.mark.parametrize("hard", [False, True])
def test_a_run_cut_off_and_resumed_ends_bit_identical(tmp_path: Path, hard: bool) -> None:
    whole = make_trainer(tmp_path / "whole", hard=hard)
    whole.run()
    cut = make_trainer(tmp_path / "cut", hard=hard, observer=StopAfter(2))
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    torch.randn(7)
    again = make_trainer(tmp_path / "cut", hard=hard)
    again.run(resume=True)
    ours, theirs = weights(again), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert again.objective.model.updates.item() == whole.objective.model.updates.item()


def test_the_total_is_the_loss_of_the_counted_targets() -> None:
    model = make_model().eval()
    window = Reversed(0)[0]
    result = ThroughPairs(model)(window, None)
    log_probabilities = model(window.inputs, window.source_lengths, window.target_in)
    chosen = log_probabilities.gather(2, window.targets.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(result.total, -chosen[window.counted].sum())


def test_slices_of_a_batch_have_the_gradient_of_the_whole(tmp_path: Path) -> None:
    gradients = []
    for slices in (1, 3):
        trainer = make_trainer(tmp_path / str(slices), micro_batches=slices)
        trainer.objective.eval()
        trainer._backward(Reversed(0)[0], 10)
        gradients.append([p.grad.clone() for p in trainer.parameters])
    for whole, sliced in zip(*gradients, strict=True):
        torch.testing.assert_close(sliced, whole, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def exact(model: SequenceToSequence, window: PairWindow) -> float:
    """The share of targets written without an error, greedily."""
    model.eval()
    memory = model.encode(window.inputs, window.source_lengths)
    tokens, state, written = window.target_in[:, 0], model.initial_state(memory), []
    for _ in range(window.targets.shape[1]):
        log_probabilities, state = model.next_step(tokens, state, memory)
        tokens = log_probabilities.argmax(-1)
        written.append(tokens)
    right: Tensor = (torch.stack(written, 1) == window.targets) | ~window.counted
    return right.all(1).float().mean().item()


@pytest.mark.parametrize(("hard", "updates"), [(False, 120), (True, 160)])
def test_short_sequences_are_reversed(hard: bool, updates: int) -> None:
    torch.manual_seed(0)
    model = make_model(hard=hard, size=24)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    batches = Reversed(7, updates, pairs=48, longest=4)
    for number in range(updates):
        window = batches[number]
        optimiser.zero_grad()
        (ThroughPairs(model)(window, None).total / window.units).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    assert exact(model, Reversed(99, pairs=300, longest=4)[0]) > 0.95
