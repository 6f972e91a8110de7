"""The errors a user can meet. Each is an `OstinatoError` and also the built-in kind it resembles.

    OstinatoError
    ├── SettingsError       (ValueError)    an option or a combination of options that cannot be
    ├── ShapeError          (ValueError)    a tensor whose shape or type does not fit
    ├── DataError           (ValueError)    something in a person's file; names file and place
    ├── CheckpointError     (RuntimeError)  a checkpoint or run folder that cannot be used
    ├── TrainingError       (RuntimeError)  training cannot go on: NaN or infinity
    ├── EngineError         (RuntimeError)  an engine was forced that cannot run this
    └── MissingExtraError   (ImportError)   an optional package is not installed; names the extra

A message says what was expected, what came (with file and line where there is one), and what to do.
"""


class OstinatoError(Exception):
    """Anything that Ostinato refuses on purpose."""


class SettingsError(OstinatoError, ValueError):
    """An option, or a combination of options, that cannot be."""


class ShapeError(OstinatoError, ValueError):
    """A tensor whose shape or type does not fit."""


class DataError(OstinatoError, ValueError):
    """Something in a person's data; the message names file and place."""


class CheckpointError(OstinatoError, RuntimeError):
    """A checkpoint or a run folder that is damaged, missing or does not fit."""


class TrainingError(OstinatoError, RuntimeError):
    """Training cannot go on, as when a loss is not a number."""


class EngineError(OstinatoError, RuntimeError):
    """An engine was asked for that cannot run this cell with these options."""


class MissingExtraError(OstinatoError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


def missing_extra(package: str, extra: str) -> MissingExtraError:
    """The error for an optional `package` that `extra` would have installed."""
    return MissingExtraError(
        f"this needs the package {package!r}, which is not installed; "
        f"install it with: pip install 'ostinato[{extra}]'"
    )
