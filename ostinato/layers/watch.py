"""The gradients of single steps of every recurrent layer inside a model, without changing it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from ostinato.layers.recurrent import RecurrentLayer


@contextmanager
def watched(model: nn.Module) -> Iterator[dict[str, list[Any]]]:
    """While this lasts, every call of a recurrent layer inside `model` is watched.

    The backward pass may come later. Nothing is left in the model.

    Returns:
        By the layer's name in the model ("" where it is the model), one entry for each of its
        calls in order: as `RecurrentLayer.step_gradients` gives them.

    Raises:
        EngineError: where a layer runs, if it is inside `torch.compile` or `torch.func`.

    Example:
        >>> layer = ostinato.LSTM(3, 4)
        >>> with ostinato.layers.watched(layer) as seen:
        ...     outputs, _ = layer(torch.randn(2, 5, 3))
        >>> outputs[:, -1].sum().backward()
        >>> seen[""][0][0].state.memory.shape
        torch.Size([2, 5, 4])
    """
    seen: dict[str, list[Any]] = {}
    with ExitStack() as hooks:
        for name, layer in model.named_modules():
            if isinstance(layer, RecurrentLayer):
                calls = seen.setdefault(name, [])
                hooks.enter_context(_watch_calls(layer, calls))
        yield seen


def _watch_calls(layer: RecurrentLayer, calls: list[Any]) -> Any:
    def watch(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        calls.append(layer.step_gradients())
        return args, {**kwargs, "watch": calls[-1]}

    return layer.register_forward_pre_hook(watch, with_kwargs=True)
