"""The conditional random field, against all sequences of labels written out one by one."""

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import LinearChainCRF

LABELS = 3
LENGTHS = torch.tensor([4, 1, 3, 2])


@pytest.fixture
def crf() -> LinearChainCRF:
    torch.manual_seed(3)
    field = LinearChainCRF(LABELS).double()
    for parameter in field.parameters():
        torch.nn.init.normal_(parameter)
    return field


@pytest.fixture
def scores() -> Tensor:
    return torch.randn(4, 4, LABELS, dtype=torch.float64, generator=torch.manual_seed(5))


def written_out(crf: LinearChainCRF, scores: Tensor) -> dict[tuple[int, ...], float]:
    """The score of every sequence of labels of one sample (time, label), from the equation."""
    start, end, transitions = crf.start.tolist(), crf.end.tolist(), crf.transitions.tolist()
    values, found = scores.tolist(), {}
    for labels in product(range(LABELS), repeat=len(values)):
        total = start[labels[0]] + end[labels[-1]]
        total += sum(values[step][label] for step, label in enumerate(labels))
        total += sum(transitions[a][b] for a, b in pairwise(labels))
        found[labels] = total
    return found


def samples(scores: Tensor) -> list[Tensor]:
    return [row[:length] for row, length in zip(scores, LENGTHS.tolist(), strict=True)]


def test_the_partition_is_the_sum_over_all_sequences(crf: LinearChainCRF, scores: Tensor) -> None:
    every = [torch.tensor(list(written_out(crf, one).values())) for one in samples(scores)]
    expected = torch.stack([torch.logsumexp(values.double(), 0) for values in every])
    torch.testing.assert_close(crf.log_partition(scores, LENGTHS), expected, rtol=1e-6, atol=1e-6)


def test_the_probabilities_of_all_sequences_sum_to_one(crf: LinearChainCRF, scores: Tensor) -> None:
    every = torch.tensor(list(product(range(LABELS), repeat=4)))
    losses = crf.loss(scores[:1].expand(len(every), -1, -1), every)
    assert torch.exp(-losses).sum().item() == pytest.approx(1)


def test_the_score_of_a_sequence_is_its_equation(crf: LinearChainCRF, scores: Tensor) -> None:
    labels = torch.tensor([[2, 0, 1, 1], [1, 9, 9, 9], [0, 2, 2, 9], [1, 0, 9, 9]])
    expected = [
        written_out(crf, one)[tuple(row[: len(one)])]
        for one, row in zip(samples(scores), labels.tolist(), strict=True)
    ]
    assert crf.score(scores, labels, LENGTHS).tolist() == pytest.approx(expected)


def test_viterbi_finds_the_best_of_all_sequences(crf: LinearChainCRF, scores: Tensor) -> None:
    labels, best = crf.decode(scores, LENGTHS)
    for row, value, one in zip(labels.tolist(), best.tolist(), samples(scores), strict=True):
        every = written_out(crf, one)
        winner = max(every, key=lambda sequence: every[sequence])
        assert tuple(row[: len(one)]) == winner
        assert value == pytest.approx(every[winner])
        assert row[len(one) :] == [0] * (4 - len(one))


def test_viterbi_of_long_samples_scores_what_the_equation_gives_its_labels() -> None:
    torch.manual_seed(0)
    crf, scores = LinearChainCRF(7), torch.randn(5, 60, 7)
    lengths = torch.tensor([60, 41, 1, 2, 17])
    labels, best = crf.decode(scores, lengths)
    torch.testing.assert_close(crf.score(scores, labels, lengths), best)


def test_marginals_are_sums_of_the_probabilities_of_sequences(
    crf: LinearChainCRF, scores: Tensor
) -> None:
    found = crf.marginals(scores, LENGTHS)
    for row, one in zip(found, samples(scores), strict=True):
        every = written_out(crf, one)
        whole = torch.logsumexp(torch.tensor(list(every.values())).double(), 0)
        expected = torch.zeros(4, LABELS, dtype=torch.float64)
        for labels, value in every.items():
            expected[range(len(one)), labels] += torch.exp(value - whole)
        torch.testing.assert_close(row, expected, rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_finite_differences(crf: LinearChainCRF, scores: Tensor) -> None:
    labels = torch.tensor([[2, 0, 1, 1], [1, 0, 0, 0], [0, 2, 2, 0], [1, 0, 0, 0]])
    # gradcheck moves the numbers of the tensors themselves, so the parameters need not be passed.
    inputs = (scores.requires_grad_(), *crf.parameters())
    assert torch.autograd.gradcheck(lambda given, *_: crf.loss(given, labels, LENGTHS), inputs)


def test_padding_changes_neither_loss_nor_labels(crf: LinearChainCRF, scores: Tensor) -> None:
    filled = torch.cat([scores, torch.full((4, 3, LABELS), 1e6, dtype=torch.float64)], 1)
    labels = torch.zeros(4, 4, dtype=torch.long)
    longer = torch.full((4, 7), 2)
    longer[:, :4] = labels
    torch.testing.assert_close(crf.loss(filled, longer, LENGTHS), crf.loss(scores, labels, LENGTHS))
    assert torch.equal(crf.decode(filled, LENGTHS)[0][:, :4], crf.decode(scores, LENGTHS)[0])


def test_scores_far_from_zero_overflow_nothing() -> None:
    crf = LinearChainCRF(2)
    scores = torch.tensor([[[9e4, -9e4], [-9e4, 9e4], [0.0, 0.0]]]).requires_grad_()
    loss = crf.loss(scores, torch.tensor([[0, 1, 0]]))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(scores.grad).all()


def test_half_precision_scores_are_summed_in_single_precision() -> None:
    crf, scores = LinearChainCRF(4), torch.randn(2, 30, 4)
    found = crf.log_partition(scores.bfloat16())
    torch.testing.assert_close(found, crf.log_partition(scores.bfloat16().float()))
    assert found.dtype == torch.float32


def test_what_does_not_fit_is_refused(crf: LinearChainCRF) -> None:
    with pytest.raises(ShapeError, match=r"scores must be \(batch, time, 3\)"):
        crf.decode(torch.zeros(2, 4, 5))
    with pytest.raises(ShapeError, match="each from 1 to 4 steps"):
        crf.decode(torch.zeros(2, 4, 3), torch.tensor([4, 0]))
    with pytest.raises(ShapeError, match="labels must be"):
        crf.loss(torch.zeros(2, 4, 3), torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(SettingsError, match="label_count must be at least 1"):
        LinearChainCRF(0)
