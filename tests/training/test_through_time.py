"""Truncated backpropagation through time against full, against hand and against closed forms."""

from itertools import pairwise

import pytest
import torch
from small_models import SeriesModel, SeriesWindows
from torch import Tensor, nn

import ostinato
from ostinato.state import HiddenState
from ostinato.training import ThroughTime


def summed_gradients(model: SeriesModel, windows: SeriesWindows) -> list[Tensor]:
    """The gradient summed over all windows of an epoch, the weights staying as they are."""
    objective, carried = ThroughTime(model), None
    model.zero_grad()
    for index in range(len(windows)):
        window = windows[index]
        result = objective(window, None if window.fresh else carried)
        result.total.backward()
        carried = result.carried
    return [parameter.grad.clone() for parameter in model.parameters()]


def full_gradients(
    model: SeriesModel, series: Tensor, resets: Tensor | None = None
) -> list[Tensor]:
    model.zero_grad()
    outputs, _ = model(series[:, :-1].unsqueeze(2), resets=resets)
    model.loss(outputs, series[:, 1:]).sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("update_every", [1, 3, 4, 11])
@pytest.mark.parametrize("learned", [False, True])
def test_windows_that_reach_back_to_the_start_sum_to_full_backpropagation(
    update_every: int, learned: bool
) -> None:
    model = SeriesModel(num_layers=2, learned_initial_state=learned).double()
    series = torch.randn(3, 12, dtype=torch.float64)
    whole_windows = -(-11 // update_every) * update_every
    ours = summed_gradients(model, SeriesWindows(series, update_every, whole_windows))
    for mine, full in zip(ours, full_gradients(model, series), strict=True):
        torch.testing.assert_close(mine, full, rtol=0, atol=1e-12)


def test_windows_with_resets_sum_to_full_backpropagation_with_resets() -> None:
    model = SeriesModel().double()
    series, resets = torch.randn(3, 12, dtype=torch.float64), torch.rand(3, 11) < 0.3
    ours = summed_gradients(model, SeriesWindows(series, 4, 12, resets=resets))
    for mine, full in zip(ours, full_gradients(model, series, resets), strict=True):
        torch.testing.assert_close(mine, full, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("update_every", "backprop_steps"), [(4, 4), (3, 5), (2, 7), (5, 9)])
def test_each_target_counts_once_with_the_loss_of_one_pass(
    update_every: int, backprop_steps: int
) -> None:
    model = SeriesModel().double()
    series = torch.randn(2, 18, dtype=torch.float64)
    windows, objective, carried, total = (
        SeriesWindows(series, update_every, backprop_steps),
        ThroughTime(model),
        None,
        0.0,
    )
    for index in range(len(windows)):
        result = objective(windows[index], None if windows[index].fresh else carried)
        carried, total = result.carried, total + result.total.item()
    outputs, _ = model(series[:, :-1].unsqueeze(2))
    assert total == pytest.approx(model.loss(outputs, series[:, 1:]).sum().item(), abs=1e-12)


def test_masked_losses_do_not_count() -> None:
    model = SeriesModel().double()
    series, masked = torch.randn(2, 9, dtype=torch.float64), torch.rand(2, 8) < 0.5
    windows = SeriesWindows(series, 8, 8, masked=masked)
    outputs, _ = model(series[:, :-1].unsqueeze(2))
    expected = model.loss(outputs, series[:, 1:])[~masked].sum()
    torch.testing.assert_close(ThroughTime(model)(windows[0], None).total, expected)


class LinearModel(nn.Module):
    """h_t = w h_{t-1} + u x_t, output h_t, loss the output itself: gradients in closed form."""

    def __init__(self, w: float, u: float) -> None:
        super().__init__()
        self.cell = ostinato.RNNCell(1, 1, activation=lambda a: a, bias=False).double()
        with torch.no_grad():
            self.cell.weight_hh.fill_(w)
            self.cell.weight_ih.fill_(u)
        self.recurrent = ostinato.Recurrent([self.cell])

    def initial_state(self, batch_size: int) -> tuple[HiddenState]:
        return self.recurrent.initial_state(batch_size)

    def forward(self, inputs: Tensor, state: object, *, resets: Tensor | None = None):
        return self.recurrent(inputs, state, resets=resets)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.squeeze(2)


def test_one_step_of_truncation_by_hand() -> None:
    # h_1 = u x_1, h_2 = w h_1 + u x_2. With windows of one step h_1 is a constant in the second:
    # d(h_1 + h_2)/dw = h_1 = 2 * 3 = 6 and d(h_1 + h_2)/du = x_1 + x_2 = 3 + 5 = 8.
    model = LinearModel(w=0.5, u=2.0)
    series = torch.tensor([[3.0, 5.0, 0.0]], dtype=torch.float64)
    summed_gradients(model, SeriesWindows(series, 1, 1))
    assert model.cell.weight_hh.grad.item() == 6.0
    assert model.cell.weight_ih.grad.item() == 8.0


def test_two_steps_back_by_hand() -> None:
    # The second window now reaches h_1: d h_2/du = x_2 + w x_1 = 5 + 1.5, so du = 3 + 6.5.
    model = LinearModel(w=0.5, u=2.0)
    series = torch.tensor([[3.0, 5.0, 0.0]], dtype=torch.float64)
    summed_gradients(model, SeriesWindows(series, 1, 2))
    assert model.cell.weight_hh.grad.item() == 6.0
    assert model.cell.weight_ih.grad.item() == 9.5


@pytest.mark.parametrize("back", [1, 2, 3, 6])
def test_linear_network_has_the_gradient_of_the_closed_form(back: int) -> None:
    # Survey equations 11 and 12 with the direct terms H_{k-1} and X_k: for the last target,
    # dh_T/dw = sum_k w^(T-k) h_{k-1} and dh_T/du = sum_k w^(T-k) x_k, k over the last `back` steps.
    w, u, time = 0.7, 1.3, 6
    inputs = torch.randn(time, dtype=torch.float64)
    hidden = [0.0]
    for value in inputs.tolist():
        hidden.append(w * hidden[-1] + u * value)
    steps = range(time - back + 1, time + 1)
    expected_w = sum(w ** (time - k) * hidden[k - 1] for k in steps)
    expected_u = sum(w ** (time - k) * inputs[k - 1].item() for k in steps)
    model = LinearModel(w, u)
    series = torch.cat([inputs, torch.zeros(1, dtype=torch.float64)]).unsqueeze(0)
    windows, objective, carried = SeriesWindows(series, 1, back), ThroughTime(model), None
    for index in range(time):
        model.zero_grad()
        result = objective(windows[index], None if windows[index].fresh else carried)
        result.total.backward()
        carried = result.carried
    assert model.cell.weight_hh.grad.item() == pytest.approx(expected_w, abs=1e-12)
    assert model.cell.weight_ih.grad.item() == pytest.approx(expected_u, abs=1e-12)


def test_the_carried_state_is_the_state_before_the_next_window() -> None:
    model = SeriesModel().double()
    series = torch.randn(2, 15, dtype=torch.float64)
    windows, objective, carried, starts = SeriesWindows(series, 2, 5), ThroughTime(model), None, [0]
    for window, following in pairwise(windows[index] for index in range(len(windows))):
        carried = objective(window, None if window.fresh else carried).carried
        starts.append(starts[-1] + window.advance)
        _, expected = model(series[:, : starts[-1]].unsqueeze(2))
        assert following.fresh == (starts[-1] == 0)
        assert starts[-1] == 0 or torch.allclose(carried[0].memory, expected[0].memory, atol=1e-14)
