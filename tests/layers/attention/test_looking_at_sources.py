"""What is masked does not matter; one look and many, whole and fused, agree."""

import math

import pytest
import torch
from torch import Tensor

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import (
    AdditiveScore,
    Attention,
    LocationScore,
    MonotonicWindow,
    PredictiveWindow,
    ScaledDotScore,
    Window,
    build_score,
)
from ostinato.layers.attention import SCORES, combinations_table
from ostinato.layers.attention.combinations import ALLOWED

SIZE = 4
NAN = float("nan")


def make(name: str, window: Window | None = None, hard: bool = False) -> Attention:
    score = build_score(name, SIZE, SIZE, longest=9)
    return Attention(score, window=window, hard=hard).double().eval()


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.double)


def windows(name: str) -> Window | None:
    made = {
        "global": None,
        "monotonic": MonotonicWindow(2),
        "predictive": PredictiveWindow(SIZE, 2),
    }
    return made[name]


COMBINATIONS = [
    (score, window, hard)
    for window, by_choice in ALLOWED.items()
    for hard in (False, True)
    for score in by_choice["hard" if hard else "soft"]
]


@pytest.mark.parametrize(("score", "window", "hard"), COMBINATIONS)
def test_what_stands_in_the_padding_does_not_matter(score: str, window: str, hard: bool) -> None:
    attention = make(score, windows(window), hard)
    query, keys, values = numbers(1, 3, SIZE), numbers(1, 5, SIZE), numbers(1, 5, 2)
    context, weights = attention(query, keys, values)
    padding = torch.full((1, 3, 1), NAN, dtype=torch.double)
    padded = [torch.cat([each, padding.expand(1, 3, each.shape[2])], 1) for each in (keys, values)]
    inside = [each.requires_grad_() for each in padded]
    again, longer = attention(query, *inside, lengths=torch.tensor([5]))
    torch.testing.assert_close(again, context)
    torch.testing.assert_close(longer[..., :5], weights)
    assert (longer[..., 5:] == 0).all()
    again.sum().backward()
    assert all(each.grad.isfinite().all() for each in inside if each.grad is not None)


@pytest.mark.parametrize(("score", "window", "hard"), COMBINATIONS)
def test_one_step_after_another_is_all_at_once(score: str, window: str, hard: bool) -> None:
    attention = make(score, windows(window), hard)
    query, keys = numbers(2, 6, SIZE), numbers(2, 5, SIZE)
    prepared = attention.prepare(keys, keys, torch.tensor([5, 3]))
    context, weights = attention.attend(query, prepared)
    for t in range(6):
        position = torch.full((2,), t)
        now, seen = attention.attend(query[:, t], prepared, positions=position)
        torch.testing.assert_close(now, context[:, t])
        torch.testing.assert_close(seen, weights[:, t])


@pytest.mark.parametrize(("score", "window", "hard"), COMBINATIONS)
def test_a_source_with_nothing_to_use_gives_zeros_and_no_nan(
    score: str, window: str, hard: bool
) -> None:
    attention = make(score, windows(window), hard)
    query, keys = numbers(2, 3, SIZE).requires_grad_(), numbers(2, 5, SIZE).requires_grad_()
    context, weights = attention(query, keys, keys, lengths=torch.tensor([0, 5]))
    assert (weights[0] == 0).all()
    assert (context[0] == 0).all()
    context.sum().backward()
    assert keys.grad.isfinite().all()
    assert (keys.grad[0] == 0).all()


@pytest.mark.parametrize("name", SCORES)
def test_a_mask_leaves_out_what_is_false(name: str) -> None:
    attention = make(name)
    query, keys = numbers(2, SIZE), numbers(2, 5, SIZE)
    mask = torch.tensor([[True, False, True, True, False], [False, True, True, False, True]])
    _, weights = attention(query, keys, keys, mask=mask)
    _, free = attention(query, keys, keys)
    expected = free * mask / (free * mask).sum(1, keepdim=True)
    torch.testing.assert_close(weights, expected)


def test_lengths_and_mask_both_act() -> None:
    attention = make("general")
    keys, mask = numbers(1, 4, SIZE), torch.tensor([[True, False, True, True]])
    _, weights = attention(numbers(1, SIZE), keys, keys, lengths=torch.tensor([3]), mask=mask)
    assert (weights[0] > 0).tolist() == [True, False, True, False]


@pytest.mark.parametrize("lengths", [None, [5, 3], [0, 5]])
def test_the_fused_kernel_gives_the_same_context(lengths: list[int] | None) -> None:
    attention = make("scaled-dot")
    query, keys, values = numbers(2, 3, SIZE), numbers(2, 5, SIZE), numbers(2, 5, 2)
    given = None if lengths is None else torch.tensor(lengths)
    prepared = attention.prepare(keys, values, given)
    fused = attention.look(query, prepared, need_weights=False)
    assert fused.weights is None
    torch.testing.assert_close(fused.context, attention.attend(query, prepared)[0])


def test_torchs_kernel_is_called_where_weights_are_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, kernel = [], torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda *given, **more: calls.append(1) or kernel(*given, **more),
    )
    attention = Attention(ScaledDotScore(4, 4))
    keys = torch.randn(2, 5, 4)
    prepared = attention.prepare(keys, keys)
    attention.look(torch.randn(2, 4), prepared, need_weights=False)
    attention.look(torch.randn(2, 4), prepared)
    assert len(calls) == 1


def test_rows_of_a_beam_share_the_keys_of_their_sample() -> None:
    attention = make("additive")
    keys, query = numbers(2, 5, SIZE), numbers(6, SIZE)
    _, weights = attention.attend(query, attention.prepare(keys, keys, torch.tensor([5, 2])))
    repeated = keys.repeat_interleave(3, 0)
    lengths = torch.tensor([5, 5, 5, 2, 2, 2])
    _, alone = attention.attend(query, attention.prepare(repeated, repeated, lengths))
    torch.testing.assert_close(weights, alone)


def test_keys_are_projected_once_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, calls = make("additive"), []
    project = attention.score.project_keys
    monkeypatch.setattr(
        attention.score, "project_keys", lambda keys: calls.append(1) or project(keys)
    )
    keys = numbers(2, 5, SIZE)
    prepared = attention.prepare(keys, keys)
    for _ in range(4):
        attention.attend(numbers(2, SIZE), prepared)
    assert len(calls) == 1


def test_a_monotonic_window_moves_with_the_step_and_stays_at_the_end() -> None:
    attention = make("dot", MonotonicWindow(1))
    keys = numbers(1, 5, SIZE)
    _, weights = attention(numbers(1, 7, SIZE), keys, keys)
    inside = [[s + 1 for s in range(5) if weights[0, t, s] > 0] for t in range(7)]
    assert inside == [[1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5], [4, 5], [4, 5]]
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 7, dtype=torch.double))


def test_a_predictive_window_is_a_softmax_times_a_gaussian() -> None:
    window = PredictiveWindow(SIZE, reach=2).double()
    attention = make("dot", window)
    query, keys = numbers(1, 1, SIZE), numbers(1, 6, SIZE)
    _, weights = attention(query, keys, keys)
    v, w = window.of_hidden.weight[0].detach(), window.of_query.weight.detach()
    centre = 6 / (1 + math.exp(-float(v @ torch.tanh(w @ query[0, 0]))))
    places = [s for s in range(1, 7) if abs(s - centre) <= 2]
    exponentials = {s: math.exp(float(query[0, 0] @ keys[0, s - 1])) for s in places}
    total = sum(exponentials.values())
    expected = [
        exponentials.get(s, 0) / total * math.exp(-((s - centre) ** 2) / (2 * (2 / 2) ** 2))
        for s in range(1, 7)
    ]
    assert weights[0, 0].tolist() == pytest.approx(expected)


def test_the_predicted_centre_is_learnt() -> None:
    window = PredictiveWindow(SIZE, reach=3).double()
    keys = numbers(2, 6, SIZE)
    context, _ = make("dot", window)(numbers(2, 4, SIZE), keys, keys)
    context.sum().backward()
    assert window.of_query.weight.grad.abs().sum() > 0


def test_a_single_step_of_a_monotonic_window_must_be_numbered() -> None:
    attention, keys = make("dot", MonotonicWindow(1)), numbers(1, 5, SIZE)
    with pytest.raises(ShapeError, match="must be told which step"):
        attention(numbers(1, SIZE), keys, keys)


def test_what_does_not_go_together_is_refused_with_the_table() -> None:
    with pytest.raises(SettingsError, match="do not add up to 1") as refused:
        make("dot", PredictiveWindow(SIZE), hard=True)
    assert combinations_table() in str(refused.value)
    with pytest.raises(SettingsError, match="reads no key"):
        Attention(LocationScore(SIZE, SIZE, longest=5), window=MonotonicWindow())
    with pytest.raises(SettingsError, match="coverage does not go with hard attention"):
        Attention(AdditiveScore(SIZE, SIZE, coverage=True), hard=True)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("query", (3, SIZE)), ("query", (2, 3)), ("keys", (2, 5, 3)), ("values", (2, 4, 2))],
)
def test_shapes_that_do_not_fit_are_named(name: str, shape: tuple[int, ...]) -> None:
    given = {"query": torch.zeros(2, SIZE), "keys": torch.zeros(2, 5, SIZE)}
    given |= {"values": torch.zeros(2, 5, 2), name: torch.zeros(shape)}
    with pytest.raises(ShapeError, match=f"{name} must be"):
        make("dot").float()(**given)


def test_masks_of_numbers_are_refused() -> None:
    keys = torch.zeros(2, 5, SIZE)
    with pytest.raises(ShapeError, match="mask must be booleans"):
        make("dot").float()(torch.zeros(2, SIZE), keys, keys, mask=torch.ones(2, 5))
