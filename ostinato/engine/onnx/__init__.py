"""The compiled loop's operator in ONNX: the native LSTM, GRU and RNN, and Scan for all else."""

from ostinato.engine.onnx.form import OnnxForm
from ostinato.engine.onnx.translation import onnx_translations

__all__ = ["OnnxForm", "onnx_translations"]
