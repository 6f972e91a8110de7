"""Where a table has its pairs: in which columns, or in the turns of dialogues."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PairLayout:
    """Where a table has its pairs.

    Args:
        source_column, target_column: of a .tsv a number from 1, or a name that stands in its first
            line; of a .jsonl a field. None: the first and the second; "source" and "target".
        history: of dialogues, turns before the one that is answered. None: 2.
        answers: of dialogues, whose turns are answers. None: of whoever speaks second.
    """

    source_column: str | None = None
    target_column: str | None = None
    history: int | None = None
    answers: str | None = None

    @property
    def names_columns(self) -> bool:
        """Whether a column is named, so that no dialogues are meant."""
        return self.source_column is not None or self.target_column is not None

    @property
    def is_of_dialogues(self) -> bool:
        """Whether something is said that only dialogues have."""
        return self.history is not None or self.answers is not None
