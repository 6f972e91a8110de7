"""Beam search, against greedy decoding, forced scores and everything that could be said."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentences import END, START, Sentences
from torch import Tensor

from ostinato.decoding import (
    Beam,
    Hypothesis,
    Sampling,
    beam_search,
    generate,
    penalty_of_length,
)
from ostinato.errors import SettingsError, ShapeError, TrainingError

PENALTIES = [None, 0.0, 0.6, 1.0, 2.5]


def search(model: Sentences, beam: Beam, **options: Any) -> list[list[Hypothesis]]:
    asked: dict[str, Any] = {"maximum_length": 6, "end_index": END, **options}
    return beam_search(
        model.next_step_for, model.initial_state(), model.first_tokens(), beam, **asked
    )


def plain(found: list[list[Hypothesis]]) -> list[list[tuple[list[int], float]]]:
    return [[(one.tokens, pytest.approx(one.score)) for one in sentence] for sentence in found]


def greedy(model: Sentences, length: int) -> list[list[int]]:
    next_step = model.next_step_for(torch.arange(model.batch))
    steps = generate(
        next_step,
        model.initial_state(),
        model.first_tokens(),
        Sampling(temperature=0),
        length=length,
        end_index=END,
    )
    texts = torch.stack([tokens for tokens, _ in steps], 1).tolist()
    return [text[: text.index(END)] if END in text else text for text in texts]


@pytest.mark.parametrize("length_penalty", PENALTIES)
def test_a_beam_of_one_is_greedy(length_penalty: float | None) -> None:
    model = Sentences(40, 6, seed=1)
    found = search(model, Beam(1, length_penalty=length_penalty), maximum_length=9)
    assert [best.tokens for (best,) in found] == greedy(model, 9)
    assert len({len(best.tokens) for (best,) in found}) > 1


@pytest.mark.parametrize("length_penalty", PENALTIES)
def test_a_beam_as_wide_as_the_space_finds_the_best_of_everything(
    length_penalty: float | None,
) -> None:
    model = Sentences(5, 4, seed=2, sharpness=0.7)
    beam = Beam(3**4 + 3**3 + 3**2 + 3 + 1, best=7, length_penalty=length_penalty)
    found = search(model, beam, maximum_length=4)
    for sentence, hypotheses in enumerate(found):
        scores = {
            tuple(tokens): model.forced(sentence, [*tokens, END])
            / penalty_of_length(len(tokens) + 1, length_penalty)
            for tokens in model.everything(4)
        }
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)[:7]
        assert [tuple(one.tokens) for one in hypotheses] == ranked
        assert [one.score for one in hypotheses] == pytest.approx([scores[one] for one in ranked])


def test_without_an_end_the_best_of_all_tours_of_the_length_is_found() -> None:
    model = Sentences(3, 3, seed=3, sharpness=0.7)
    found = search(model, Beam(27), maximum_length=torch.tensor([3, 1, 2]), end_index=None)
    for sentence, length in enumerate([3, 1, 2]):
        tours = [list(tour) for tour in torch.cartesian_prod(*[torch.arange(3)] * 3).tolist()]
        best = max((tour[:length] for tour in tours), key=lambda t: model.forced(sentence, t))
        assert found[sentence][0].tokens == best
        assert found[sentence][0].complete


def test_the_log_probability_is_that_of_a_forced_reading() -> None:
    model = Sentences(12, 7, seed=4)
    for sentence, hypotheses in enumerate(search(model, Beam(5, 5, 0.8))):
        for one in hypotheses:
            forced = model.forced(sentence, [*one.tokens, END])
            assert one.log_probability == pytest.approx(forced, abs=1e-12)
            assert one.score == pytest.approx(forced / ((6 + len(one.tokens)) / 6) ** 0.8)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    beam_size=st.integers(1, 7),
    best=st.integers(1, 7),
    length_penalty=st.sampled_from(PENALTIES),
    minimum_length=st.integers(0, 3),
    unrepeated=st.sampled_from([None, 1, 2]),
    sharpness=st.sampled_from([0.3, 1.0, 3.0]),
)
def test_stopping_early_and_company_change_nothing(
    seed: int,
    beam_size: int,
    best: int,
    length_penalty: float | None,
    minimum_length: int,
    unrepeated: int | None,
    sharpness: float,
) -> None:
    """Against one sentence at a time in plain Python, searched until the beam is used up."""
    model = Sentences(4, 5, seed, sharpness=sharpness)
    limits = torch.tensor([3, 6, 4, 7])
    beam = Beam(beam_size, min(best, beam_size), length_penalty, minimum_length, unrepeated, (2,))
    found = search(model, beam, maximum_length=limits)
    for sentence, limit in enumerate(limits.tolist()):
        assert plain(found)[sentence] == plainly(model, sentence, beam, limit)


def plainly(
    model: Sentences, sentence: int, beam: Beam, limit: int
) -> list[tuple[list[int], float]]:
    """Beam search in the words of Sutskever 2014, without a state and without a stop."""
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    ended: list[tuple[float, list[int]]] = []
    for step in range(limit + 1):
        longer = [
            (model.forced(sentence, [*tokens, token]), [*tokens, token])
            for _, tokens in live
            for token in range(model.vocabulary_size)
            if may_follow(tokens, token, beam, is_last=step == limit)
        ]
        kept = sorted(longer, reverse=True)[: beam.beam_size - len(ended)]
        ended += [
            (total / penalty_of_length(step + 1, beam.length_penalty), tokens[:-1])
            for total, tokens in kept
            if tokens[-1] == END
        ]
        live = [one for one in kept if one[1][-1] != END]
    return [(tokens, score) for score, tokens in sorted(ended, reverse=True)[: beam.best]]


def may_follow(tokens: list[int], token: int, beam: Beam, *, is_last: bool) -> bool:
    n = beam.unrepeated or 1
    gram = [*tokens, token][-n:]
    before = [tokens[place : place + n] for place in range(len(tokens) - n + 1)]
    repeats = beam.unrepeated is not None and gram in before
    ends_early = token == END and len(tokens) < beam.minimum_length
    goes_on_late = is_last and token != END
    return not (repeats or ends_early or goes_on_late or token in beam.forbidden)


def test_a_sentence_found_among_others_is_found_alone() -> None:
    model = Sentences(9, 8, seed=5)
    together = search(model, Beam(4, 4, 1.0))
    alone = [search(model.alone(sentence), Beam(4, 4, 1.0))[0] for sentence in range(9)]
    assert plain(together) == [[(one.tokens, one.score) for one in found] for found in alone]


def test_rows_are_sentence_major_and_finished_sentences_drop_out() -> None:
    model = Sentences(6, 5, seed=6)
    search(model, Beam(3), maximum_length=20)
    assert model.asked[0] == [0, 1, 2, 3, 4, 5]
    assert model.asked[1] == [sentence for sentence in range(6) for _ in range(3)]
    assert all(rows == sorted(rows) for rows in model.asked)
    assert len(set(model.asked[-1])) < 6
    assert sorted(map(len, model.asked[1:]), reverse=True) == list(map(len, model.asked[1:]))


def test_no_n_gram_comes_twice() -> None:
    def stutters(tokens: Tensor, state: tuple) -> tuple[Tensor, tuple]:
        return torch.tensor([0.1, 0.05, 0.6, 0.25]).log().expand(len(tokens), 4), state

    def said(unrepeated: int | None) -> list[int]:
        beam = Beam(1, unrepeated=unrepeated)
        start = torch.tensor([START])
        ((best,),) = beam_search(
            lambda rows: stutters, (), start, beam, maximum_length=6, end_index=END
        )
        return best.tokens

    assert said(None) == [2, 2, 2, 2, 2, 2]
    assert said(1) == [2, 3, 0]
    assert said(2) == [2, 2, 3, 2, 0, 2]


def test_only_what_is_allowed_is_found_and_the_callback_sees_tokens_state_and_sentences() -> None:
    model = Sentences(3, 7, seed=7)

    def rises_from_the_sentences_number(tokens: Tensor, state: Any, rows: Tensor) -> Tensor:
        assert len(state.hidden) == len(tokens) == len(rows)
        last = tokens[:, -1] if tokens.shape[1] else rows + 2
        letters = torch.arange(7)
        return (letters > last.unsqueeze(1)) | (letters == END)

    found = search(model, Beam(4, 4, minimum_length=2), allowed=rises_from_the_sentences_number)
    for sentence, hypotheses in enumerate(found):
        for one in hypotheses:
            assert one.tokens == sorted(set(one.tokens))
            assert one.tokens[0] > sentence + 2


def test_where_nothing_is_allowed_to_follow_what_there_is_is_given_as_incomplete() -> None:
    model = Sentences(2, 5, seed=8)

    def two_letters_and_no_end(tokens: Tensor, state: Any, rows: Tensor) -> Tensor:
        mask = torch.zeros(len(rows), 5, dtype=torch.bool)
        mask[:, 2:] = tokens.shape[1] < 2
        mask[rows == 1, END] = True
        return mask

    first, second = search(model, Beam(3), allowed=two_letters_and_no_end)
    assert not first[0].complete
    assert first[0].log_probability == pytest.approx(model.forced(0, first[0].tokens))
    assert len(first[0].tokens) == 2
    assert second[0].complete


def test_what_is_collected_is_of_the_hypothesis_that_took_the_step() -> None:
    model = Sentences(5, 6, seed=9)
    found = search(model, Beam(4, 3), collect=lambda state: state.hidden)
    for sentence, hypotheses in enumerate(found):
        next_step = model.alone(sentence).next_step_for(torch.tensor([0]))
        for one in hypotheses:
            state, passed = model.alone(sentence).initial_state(), []
            for token in [START, *one.tokens]:
                _, state = next_step(torch.tensor([token]), state)
                passed.append(state.hidden[0])
            assert one.collected is not None
            torch.testing.assert_close(one.collected, torch.stack(passed))


def test_a_longer_hypothesis_wins_by_its_length_penalty() -> None:
    def next_step(tokens: Tensor, state: tuple) -> tuple[Tensor, tuple]:
        table = torch.tensor([[0.0, 0.5, 0.5], [0.0, 1.0, 0.0], [0.0, 0.9, 0.1]])
        return table[tokens].log(), state

    def said(length_penalty: float | None) -> list[int]:
        beam = Beam(2, length_penalty=length_penalty)
        ((best,),) = beam_search(
            lambda rows: next_step,
            (),
            torch.tensor([START]),
            beam,
            maximum_length=5,
            end_index=END,
        )
        return best.tokens

    assert said(None) == []
    assert said(1.0) == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size must be at least 1, got 0"),
        ({"beam_size": 2, "best": 3}, r"best must be from 1 to beam_size \(2\), got 3"),
        ({"length_penalty": -1.0}, "length_penalty must be at least 0, got -1"),
        ({"length_penalty": math.nan}, "length_penalty must be at least 0, got nan"),
        ({"minimum_length": -1}, "minimum_length must be at least 0, got -1"),
        ({"unrepeated": 0}, "unrepeated must be at least 1 token, got 0"),
    ],
)
def test_a_beam_that_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Beam(**options)


@pytest.mark.parametrize(
    ("beam", "options", "message"),
    [
        (Beam(), {"maximum_length": 0}, "maximum_length must be at least 1"),
        (Beam(minimum_length=3), {"maximum_length": 2}, "must be at least 3 .*, got 2"),
        (Beam(forbidden=(9,)), {}, "forbidden tokens must be from 0 to 4, got 9"),
        (Beam(), {"end_index": 5}, "end_index must be from 0 to 4, got 5"),
    ],
)
def test_what_cannot_be_searched_is_refused(beam: Beam, options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        search(Sentences(2, 5, seed=1), beam, **options)


def test_lengths_and_masks_that_do_not_fit_are_refused() -> None:
    model = Sentences(2, 5, seed=1)
    with pytest.raises(ShapeError, match="a number for each of 2 sentences"):
        search(model, Beam(), maximum_length=torch.tensor([3]))
    with pytest.raises(ShapeError, match=r"booleans of the shape \(2, 5\), got torch.float32"):
        search(model, Beam(), allowed=lambda tokens, state, rows: torch.ones(2, 5))


def test_a_model_that_diverged_is_told() -> None:
    def diverged(tokens: Tensor, state: tuple) -> tuple[Tensor, tuple]:
        return torch.full((len(tokens), 5), math.nan), state

    with pytest.raises(TrainingError, match="its training diverged"):
        beam_search(
            lambda rows: diverged,
            (),
            torch.tensor([START]),
            Beam(),
            maximum_length=3,
            end_index=END,
        )


def test_no_graph_is_kept() -> None:
    model = Sentences(2, 5, seed=1)
    model.head.requires_grad_()
    found = search(model, Beam(2), collect=lambda state: state.hidden)
    assert found[0][0].collected is not None
    assert not found[0][0].collected.requires_grad
