"""Fine-tuning: a run that starts from the weights of another."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.tasks.run_folder import CONFIG
from ostinato.tasks.settings import TrainingSettings
from ostinato.tasks.toml import read_toml
from ostinato.tasks.transformer_settings import HEADS
from ostinato.training import load_model_weights

_OPTIONS_OF_A_MODEL = (
    "model",
    "cell",
    "hidden_size",
    "layers",
    "embedding_size",
    "projection_size",
    "tied",
    "copying",
    "adaptive_cutoffs",
    "layer_norm",
    "peepholes",
    "reset",
    "learned_initial_state",
    "heads",
    "feed_forward_size",
    "positions",
    "norm",
)
_OPTIONS_WITHOUT_SHAPE = ("heads",)
"""Options of a model that no weight's shape shows."""


def load_initial_weights(model: nn.Module, run: Path, settings: TrainingSettings) -> None:
    """Start from another run's best weights.

    Args:
        model: whose weights are replaced.
        run: the other run's folder.
        settings: from which the model was built.

    Raises:
        CheckpointError: that run has no checkpoint.
        SettingsError: its model has other sizes than this one; names the options that differ.
    """
    weights = load_model_weights(run).tensors["model"]
    misfit = _first_misfit(weights, model.state_dict())
    silent = _differing_options(run, settings, _OPTIONS_WITHOUT_SHAPE)
    if misfit is not None or silent:
        why = "; ".join(_differing_options(run, settings, _OPTIONS_OF_A_MODEL)) or misfit
        raise SettingsError(
            f"--initial-weights {run}: that run's model is not of the same kind and sizes as this "
            f"one: {why}; give the same model options"
        )
    model.load_state_dict(weights)


def _first_misfit(there: dict[str, Tensor], here: dict[str, Tensor]) -> str | None:
    """The first weights that only one of two models has, or that have two shapes."""
    for name in sorted(there.keys() | here.keys()):
        shapes = [tuple(one[name].shape) if name in one else None for one in (there, here)]
        if shapes[0] != shapes[1]:
            return "the weights {} are {} there and {} here".format(
                name, *(shape or "missing" for shape in shapes)
            )
    return None


def _differing_options(run: Path, settings: TrainingSettings, options: Sequence[str]) -> list[str]:
    """Each option of a model that the other run has and this one has otherwise."""
    fields = type(settings).model_fields
    values = read_toml(run / CONFIG, type(settings))
    differing = []
    for name in options:
        if name in fields:
            there, here = values.get(name, fields[name].default), getattr(settings, name)
            if name == "cell":  # one's own may lie elsewhere by now
                there, here = there.rpartition(":")[2], here.rpartition(":")[2]
            if name == "heads":
                there, here = there or HEADS, here or HEADS
            if there != here:
                differing.append(f"{name} is {there} there and {here} here")
    return differing
