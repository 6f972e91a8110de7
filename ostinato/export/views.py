"""A model as a graph sees it: flat tensors in, flat tensors out, each with a name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers import RecurrentLayer
from ostinato.models import LanguageModel
from ostinato.state import map_state, tensors


@dataclass(frozen=True)
class View:
    """How a model is called, and what its tensors are called.

    Args:
        example: inputs of two samples and three steps.
        names: of inputs, outputs, a step's input and a step's output.
        read: inputs and state, with lengths or resets by name, to outputs and state.
        step: one step's input and state to one step's output and state.
    """

    example: Tensor
    names: tuple[str, str, str, str]
    read: Callable[..., tuple[Tensor, Any]]
    step: Callable[[Tensor, Any], tuple[Tensor, Any]]


def view_of(model: Any, example: Tensor | None) -> View:
    """The view of a layer, of a language model, or, with an example, of any such model.

    Raises:
        SettingsError: the model has no `initial_state`, or needs an example of its inputs.
    """
    if isinstance(model, RecurrentLayer):
        like = next(model.parameters())
        made = like.detach().new_zeros(_BATCH, _TIME, model.input_size)
        return View(made, _NAMES, model, model.step)
    if isinstance(model, LanguageModel):
        made = torch.zeros(_BATCH, _TIME, dtype=torch.int64)
        return View(made, _OF_TOKENS, _scored(model), model.step)
    if not callable(getattr(model, "initial_state", None)):
        raise SettingsError(
            f"export_onnx takes what is called with inputs and a state and has initial_state(), "
            f"and {type(model).__name__} has none: use torch.onnx.export(model, args, path, "
            f"dynamo=True, custom_translation_table=ostinato.onnx_translations())"
        )
    if example is None or example.dim() < 2 or min(example.shape[:2]) < 2:
        raise SettingsError(
            f"export_onnx needs inputs of {type(model).__name__} to follow: give "
            f"example=..., (batch, time, ...) of two or more samples and steps"
        )
    return View(example, _NAMES, model, getattr(model, "step", model))


def names_of(state: Any, prefix: str = "state") -> list[str]:
    """A name for each tensor of a state.

    Example:
        >>> names_of(ostinato.LSTM(2, 3).initial_state(1))
        ['state.0.hidden', 'state.0.memory']
    """
    if not isinstance(state, tuple):
        return [prefix]
    fields = getattr(state, "_fields", range(len(state)))
    pairs = zip(fields, state, strict=True)
    return [name for field, part in pairs for name in names_of(part, f"{prefix}.{field}")]


class WholeSequences(nn.Module):
    """The model as a function of one flat tuple: inputs, the state if carried, `marks`.

    Args:
        model: for its parameters.
        view: how it is called.
        like: its state, if the caller carries it; None: each call starts afresh.
        marks: which of "lengths" and "resets" are given, in this order.
    """

    def __init__(self, model: nn.Module, view: View, like: Any, marks: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.view = view
        self.like = like
        self.marks = tuple(marks)

    def forward(self, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        inputs, *rest = given
        count = len(rest) - len(self.marks)
        state = None if self.like is None else _nested(self.like, rest[:count])
        marks = dict(zip(self.marks, rest[count:], strict=True))
        outputs, state = self.view.read(inputs, state, **marks)
        return (outputs, *tensors(state))


class SingleStep(nn.Module):
    """One step as a function of one flat tuple: the step's input and the state."""

    def __init__(self, model: nn.Module, view: View, like: Any) -> None:
        super().__init__()
        self.model = model
        self.view = view
        self.like = like

    def forward(self, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        output, state = self.view.step(given[0], _nested(self.like, given[1:]))
        return (output, *tensors(state))


def _nested(like: Any, flat: Sequence[Tensor]) -> Any:
    """Flat tensors as a state of the same kind as `like`."""
    parts = iter(flat)
    return map_state(lambda _: next(parts), like)


def _scored(model: LanguageModel) -> Callable[..., tuple[Tensor, Any]]:
    def read(tokens: Tensor, state: Any, **marks: Tensor) -> tuple[Tensor, Any]:
        features, state = model(tokens, state, **marks)
        return model.log_probabilities(features), state

    return read


_NAMES = ("inputs", "outputs", "step_input", "step_output")
_OF_TOKENS = ("tokens", "log_probabilities", "token", "log_probabilities")
_BATCH, _TIME = 2, 3  # of an example: sizes of 0 and 1 would be taken for constants
