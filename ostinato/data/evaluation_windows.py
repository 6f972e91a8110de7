"""Windows over whole documents, for evaluation: one stream a document, state carried."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ostinato.data.token_part import TokenPart
from ostinato.data.window import Window
from ostinato.errors import SettingsError


class EvaluationWindows(Dataset[Window]):
    """Every target of a part exactly once, each document read from its start with carried state.

    A batch groups documents of similar length. A group is read in windows of `window` steps, the
    first of them fresh, until its longest document ends; the number of rows differs between groups
    only. What a model says of a target depends on the document alone, neither on the batch nor on
    the window.

    Memory: 16 bytes a document.

    Args:
        tokens: The part to read.
        batch_size: Documents read side by side.
        window: Steps in a window.

    Raises:
        SettingsError: Sizes below 1.
    """

    def __init__(self, tokens: TokenPart, batch_size: int, window: int) -> None:
        if batch_size < 1 or window < 1:
            raise SettingsError(
                f"batch_size ({batch_size}) and window ({window}) must be at least 1"
            )
        self.tokens = tokens
        self.batch_size = batch_size
        self.window = window
        lengths = np.diff(tokens.documents())
        # The longest first: a batch that is too large for memory shows at once.
        self.order = np.argsort(-lengths, kind="stable")
        longest = lengths[self.order[::batch_size]]
        # Where each group's windows begin among all, and where the last group's end.
        self.group_starts = np.concatenate([[0], np.cumsum(-(-longest // window))])

    def __len__(self) -> int:
        return int(self.group_starts[-1])

    def __getitem__(self, index: int) -> Window:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        group = self._group(index)
        steps = group.first_step + np.arange(min(self.window, group.steps - group.first_step))
        within = np.minimum(steps, group.lengths[:, None] - 1)
        positions = group.starts[:, None] + within
        targets = self.tokens.gather(positions + 1)
        counted = steps < group.lengths[:, None]
        if not self.tokens.counts_ends:
            counted &= targets != self.tokens.end_index
        return Window(
            inputs=torch.from_numpy(self.tokens.gather(positions)),
            targets=torch.from_numpy(targets),
            counted=torch.from_numpy(counted),
            # Documents begin where a fresh window does and nowhere else.
            resets=None,
            advance=len(steps),
            fresh=group.first_step == 0,
            where=(
                f"{self.tokens.source}, {len(group.starts)} documents from token "
                f"{group.starts.min()} on, tokens {steps[0]}-{steps[-1] + 1} of each"
            ),
            units=int(counted.sum()),
        )

    def _group(self, index: int) -> "_Group":
        number = int(np.searchsorted(self.group_starts, index, side="right")) - 1
        documents = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        bounds = self.tokens.documents()
        starts = np.asarray(bounds[documents])
        lengths = np.asarray(bounds[documents + 1]) - starts
        first_step = (index - int(self.group_starts[number])) * self.window
        return _Group(starts, lengths, int(lengths.max()), first_step)


class _Group(NamedTuple):
    """Documents read side by side: where their inputs start, and their numbers of steps."""

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    steps: int
    first_step: int
