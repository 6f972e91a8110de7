"""Which of torchrun's processes this is, as the environment says; torch is not needed for it."""

import os


def rank() -> int:
    """The number of this process, from 0; 0 where there is only one."""
    return int(os.environ.get("RANK", "0"))


def is_first_process() -> bool:
    """Whether this is the process that talks to the person."""
    return rank() == 0
