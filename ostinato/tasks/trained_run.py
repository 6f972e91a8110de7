"""What the runs of all tasks have."""

from pathlib import Path
from typing import Generic, TypeVar

from ostinato.tasks.settings import TrainingSettings

Settings = TypeVar("Settings", bound=TrainingSettings)


class TrainedRun(Generic[Settings]):
    """A trained run: its folder, and the settings that it was trained with."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings

    @property
    def figure(self) -> Path:
        """Where the picture of the losses lies."""
        return self.folder / "figures" / "loss.png"
