"""Models as files that other programs run."""

from ostinato.export.onnx import OnnxGraph, export_onnx

__all__ = ["OnnxGraph", "export_onnx"]
