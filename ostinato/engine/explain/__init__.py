"""What the compiler makes of a cell's step, told in words and equations."""

from ostinato.engine.explain.describe import explain
from ostinato.engine.explain.explanation import Explanation
from ostinato.engine.explain.words import in_words

__all__ = ["Explanation", "explain", "in_words"]
