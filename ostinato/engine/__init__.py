"""The engine room: it runs a cell over time and never asks which cell it has."""

from ostinato.engine.choose import Availability, Choice, available, check_engine, choose
from ostinato.engine.onnx import OnnxForm, onnx_translations
from ostinato.engine.precision import (
    Products,
    check_products,
    computing_products,
    products_obstacle,
)
from ostinato.engine.reading import Noise, Reading, Steps, Unrolled
from ostinato.engine.reference import noisy_step, weights_replaced
from ostinato.engine.single_step import single_step
from ostinato.engine.stepper import CellStepper, prepare_step
from ostinato.engine.unroll import Way, unroll, unroll_both
from ostinato.engine.vendor import VendorForm
from ostinato.engine.watch import StepGradients

__all__ = [
    "Availability",
    "CellStepper",
    "Choice",
    "Noise",
    "OnnxForm",
    "Products",
    "Reading",
    "StepGradients",
    "Steps",
    "Unrolled",
    "VendorForm",
    "Way",
    "available",
    "check_engine",
    "check_products",
    "choose",
    "computing_products",
    "noisy_step",
    "onnx_translations",
    "prepare_step",
    "products_obstacle",
    "single_step",
    "unroll",
    "unroll_both",
    "weights_replaced",
]
