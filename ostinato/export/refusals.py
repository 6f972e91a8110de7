"""What a graph cannot hold, said before torch begins to trace."""

from pathlib import Path

from torch import nn

from ostinato.engine import choose
from ostinato.errors import EngineError, SettingsError
from ostinato.layers import RecurrentLayer
from ostinato.layers.noise import draw_cell_noise, refuse_random_graph
from ostinato.models import LanguageModel
from ostinato.models.locked_dropout import LockedDropout


def refuse(
    model: nn.Module,
    path: Path,
    *,
    carry_state: bool,
    lengths: bool,
    resets: bool,
    single_step: bool,
) -> None:
    """Raise SettingsError or EngineError if this model cannot be exported so."""
    if not path.absolute().parent.is_dir():
        raise SettingsError(
            f"the folder {path.parent} of {path.name} does not exist: make it first"
        )
    if single_step and (lengths or resets):
        raise SettingsError(
            "a single step has no lengths and no resets: start a sample afresh by handing its row "
            "of the initial state in"
        )
    if lengths and isinstance(model, LanguageModel):
        raise SettingsError("a language model takes no lengths: what follows a text is not read")
    both_ways = isinstance(model, RecurrentLayer) and model.bidirectional
    if both_ways and (carry_state or single_step):
        raise SettingsError(
            "a layer that reads both ways takes no state and no single steps: its backward half "
            "begins at the sequence's last step; export it without carry_state and single_step"
        )
    _refuse_noise(model)
    _refuse_device(model)
    if not single_step:
        _refuse_loops(model)


def _refuse_noise(model: nn.Module) -> None:
    acting: dict[str, None] = {}
    for module in model.modules():
        if module.training:
            acting |= dict.fromkeys(_noise_of(module))
    refuse_random_graph(list(acting))


def _noise_of(module: nn.Module) -> tuple[str, ...]:
    if isinstance(module, RecurrentLayer):
        return module.options.random_options()
    if isinstance(module, LanguageModel):
        return ("embedding_dropout",) if module.embedding_dropout else ()
    if isinstance(module, LockedDropout):
        return ("dropout",) if module.rate else ()
    if isinstance(module, nn.modules.dropout._DropoutNd):  # pyright: ignore[reportPrivateUsage]
        return ("dropout",) if module.p else ()
    return ()


def _refuse_device(model: nn.Module) -> None:
    devices = {part.device.type for part in model.parameters()}
    if devices - {"cpu"}:
        raise SettingsError(
            f"the model is on {' and '.join(sorted(devices))}, and graphs are made from a model on "
            "the CPU (they run anywhere): call model.cpu() first"
        )


def _refuse_loops(model: nn.Module) -> None:
    """A step that the compiler cannot trace would become a loop of a fixed number of steps."""
    for layer in model.modules():
        if not isinstance(layer, RecurrentLayer):
            continue
        for cell in (*layer.cells, *(layer.backward_cells or ())):
            if not cell.state_sizes:
                continue
            noise = draw_cell_noise(cell, layer.options, 1, 1, training=False)  # pyright: ignore[reportArgumentType]
            try:
                choose(cell, noise, engine="compiled", all_states=False)  # pyright: ignore[reportArgumentType]
            except EngineError as problem:
                reason = str(problem).split(" here: ", 1)[-1]
                raise EngineError(
                    f"the loop of {type(cell).__name__} over time cannot be written in ONNX: "
                    f"{reason}; a graph of a single step can (single_step=True)"
                ) from None
