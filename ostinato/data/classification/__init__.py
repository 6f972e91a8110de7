"""Whole samples with a class each: texts, symbol strings, series of numbers, images."""
