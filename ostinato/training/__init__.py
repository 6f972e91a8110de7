"""The training room: truncated backpropagation through time, exactly resumable.

It takes a model and something that gives windows, and knows nothing of either.
"""

from ostinato.training.averaging import Averaging
from ostinato.training.clipping import Clipping
from ostinato.training.device import bfloat16_is_slow, choose_device
from ostinato.training.interruption import Interrupted
from ostinato.training.journal import Journal, load_model_weights
from ostinato.training.metrics import Metrics, read_metrics
from ostinato.training.observer import Observer
from ostinato.training.optimisers import OPTIMISERS, build_optimiser
from ostinato.training.plan import Optimisation, TrainingPlan
from ostinato.training.processes import Processes, join_processes
from ostinato.training.schedules import SCHEDULES, Schedule
from ostinato.training.through_labels import ThroughLabels
from ostinato.training.through_pairs import ThroughPairs
from ostinato.training.through_samples import ThroughSamples
from ostinato.training.through_time import ThroughTime, WindowLoss
from ostinato.training.trainer import Trainer
from ostinato.training.window_by_window import WindowByWindow

__all__ = [
    "OPTIMISERS",
    "SCHEDULES",
    "Averaging",
    "Clipping",
    "Interrupted",
    "Journal",
    "Metrics",
    "Observer",
    "Optimisation",
    "Processes",
    "Schedule",
    "ThroughLabels",
    "ThroughPairs",
    "ThroughSamples",
    "ThroughTime",
    "Trainer",
    "TrainingPlan",
    "WindowByWindow",
    "WindowLoss",
    "bfloat16_is_slow",
    "build_optimiser",
    "choose_device",
    "join_processes",
    "load_model_weights",
    "read_metrics",
]
