"""Hard attention draws by its weights, and learns by what the draws brought."""

import pytest
import torch
import torch.nn.functional as F

from ostinato.layers import AdditiveScore, Attention, GeneralScore, Reinforce
from ostinato.layers.attention import HardChoice
from ostinato.layers.attention.hard import choose_position


def test_positions_are_drawn_by_their_weights() -> None:
    weights = torch.tensor([0.1, 0.0, 0.6, 0.3]).expand(20000, 4)
    chosen, _ = choose_position(weights, sampled=True)
    torch.testing.assert_close(chosen.mean(0), weights[0], atol=0.02, rtol=0)
    assert chosen[:, 1].sum() == 0


def test_in_evaluation_the_likeliest_is_taken() -> None:
    chosen, choice = choose_position(torch.tensor([[0.2, 0.5, 0.3]]), sampled=False)
    assert chosen.tolist() == [[0, 1, 0]]
    assert choice.log_probability.item() == pytest.approx(torch.tensor(0.5).log().item())
    entropy = -sum(p * torch.tensor(p).log().item() for p in (0.2, 0.5, 0.3))
    assert choice.entropy.item() == pytest.approx(entropy)


def test_weights_have_a_one_and_the_context_is_its_value() -> None:
    attention = Attention(AdditiveScore(3, 3), hard=True)
    keys = torch.randn(2, 5, 3)
    context, weights = attention(torch.randn(2, 4, 3), keys, keys)
    assert ((weights == 1).sum(-1) == 1).all()
    torch.testing.assert_close(context, keys.gather(1, weights.argmax(-1, True).expand(-1, -1, 3)))


def test_what_reinforce_adds_has_no_value() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    choice = HardChoice(logits, logits * 0)
    added = Reinforce()(choice, torch.randn(2, 3), torch.ones(2, 3).bool(), onward=False)
    assert (added == 0).all()
    added.sum().backward()
    assert (logits.grad != 0).any()


def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """Over many draws, against the derivative of sum_s p(s) reward(s), which is known."""
    logits, rewards = torch.randn(4, requires_grad=True), torch.tensor([1.0, -2.0, 0.5, 3.0])
    (exact,) = torch.autograd.grad(-(F.softmax(logits, 0) * rewards).sum(), logits)
    probabilities = F.softmax(logits, 0).expand(200_000, 1, 4)
    chosen, choice = choose_position(probabilities, sampled=True)
    reinforce = Reinforce(entropy_weight=0.0)
    counted = torch.ones(200_000, 1).bool()
    added = reinforce(choice, chosen @ rewards, counted, onward=False)
    (estimated,) = torch.autograd.grad(added.mean(), logits)
    torch.testing.assert_close(estimated, exact, atol=0.02, rtol=0)


def test_the_baseline_moves_towards_the_mean_reward_of_a_step() -> None:
    reinforce, choice = Reinforce(decay=0.75), HardChoice(torch.zeros(1, 3), torch.zeros(1, 3))
    counted = torch.tensor([[True, True, False]])
    reinforce(choice, torch.tensor([[1.0, 3.0, 99.0]]), counted, onward=False)
    assert reinforce.baseline.item() == pytest.approx(2.0)
    reinforce(choice, torch.tensor([[6.0, 6.0, 99.0]]), counted, onward=False)
    assert reinforce.baseline.item() == pytest.approx(0.75 * 2 + 0.25 * 6)


def test_a_choice_that_acts_onward_is_rewarded_for_what_comes_after() -> None:
    logits = torch.zeros(1, 4, requires_grad=True)
    reinforce = Reinforce(entropy_weight=0.0)
    reinforce.baseline.fill_(1.0)
    reinforce.seen.fill_(True)
    counted = torch.tensor([[True, True, True, False]])
    rewards = torch.tensor([[1.0, 2.0, 4.0, 99.0]])
    reinforce(HardChoice(logits, logits * 0), rewards, counted, onward=True).sum().backward()
    # (1 + 2 + 4) - 3, (2 + 4) - 2, 4 - 1, and nothing past the end.
    assert logits.grad.tolist() == [[-4.0, -4.0, -3.0, 0.0]]


def test_without_an_effect_onward_each_choice_has_its_own_reward() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    reinforce = Reinforce(entropy_weight=0.0)
    reinforce.seen.fill_(True)
    counted = torch.ones(1, 2).bool()
    choice = HardChoice(logits, logits * 0)
    reinforce(choice, torch.tensor([[1.0, 2.0]]), counted, onward=False).sum().backward()
    assert logits.grad.tolist() == [[-1.0, -2.0]]


def test_where_to_look_is_learnt_from_rewards_alone() -> None:
    """Query n is to find the key of place 4 - n; no gradient reaches the score but REINFORCE's."""
    torch.manual_seed(0)
    attention, reinforce = Attention(GeneralScore(5, 5), hard=True), Reinforce()
    optimiser = torch.optim.Adam(attention.parameters(), lr=0.1)
    asked = torch.eye(5).expand(8, 5, 5)
    counted = torch.ones(8, 5).bool()
    for _ in range(150):
        attended = attention.look(asked, attention.prepare(asked, asked))
        rewards = (attended.context * asked.flip(1)).sum(-1)
        optimiser.zero_grad()
        reinforce(attended.choice, rewards, counted, onward=False).sum().backward()
        optimiser.step()
    context, _ = attention.eval().attend(asked, attention.prepare(asked, asked))
    assert torch.equal(context, asked.flip(1))
