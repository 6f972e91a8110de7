"""The engine room: it runs a cell over time and never asks which cell it has."""

from ostinato.engine.choose import Availability, Choice, available, check_engine, choose
from ostinato.engine.onnx import OnnxForm, onnx_translations
from ostinato.engine.reading import Noise, Reading, Steps, Unrolled
from ostinato.engine.reference import noisy_step, weights_replaced
from ostinato.engine.stepper import CellStepper, prepare_step
from ostinato.engine.unroll import unroll
from ostinato.engine.vendor import VendorForm

__all__ = [
    "Availability",
    "CellStepper",
    "Choice",
    "Noise",
    "OnnxForm",
    "Reading",
    "Steps",
    "Unrolled",
    "VendorForm",
    "available",
    "check_engine",
    "choose",
    "noisy_step",
    "onnx_translations",
    "prepare_step",
    "unroll",
    "weights_replaced",
]
