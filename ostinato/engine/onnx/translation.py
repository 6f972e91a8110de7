"""The table that tells torch's exporter what our operator is in ONNX."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from ostinato.engine.kinds import kind_by_key
from ostinato.engine.onnx.call import call_of
from ostinato.engine.onnx.native import native, native_form
from ostinato.engine.onnx.scan import scan
from ostinato.engine.operator import FORWARD
from ostinato.errors import SettingsError, missing_extra


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What `torch.onnx.export` needs as `custom_translation_table` for models with our layers.

    A layer becomes ONNX's LSTM, GRU or RNN where these compute the same, else a Scan whose body is
    the cell's step; batch and time may be dynamic. `export_onnx` needs no table.

    Returns:
        The table, to be handed on as it is, with `dynamo=True`.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.

    Example:
        >>> model = torch.nn.Sequential(ostinato.FeedForward(3, 4)).eval()
        >>> table = ostinato.onnx_translations()
        >>> len(table)
        1
    """
    for package in ("onnx", "onnxscript"):
        if find_spec(package) is None:
            raise missing_extra(package, "export")
    return {FORWARD: _translated}


def _translated(
    given: Sequence[Any], marks: Sequence[Any], kind: str, reverse: bool, save: bool
) -> Any:
    known = kind_by_key(kind)
    if known.form.masked or known.form.kept == "steps":
        raise SettingsError(
            "recurrent dropout and zoneout draw new masks at every call in training, and an "
            "exported graph is for evaluation: call model.eval() first"
        )
    call = call_of(known, given, marks, reverse=reverse)
    form = native_form(known)
    return scan(call) if form is None else native(call, form)
