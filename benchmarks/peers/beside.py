"""A peer that is Python on top of torch: it runs in our own process, on our own torch.

`scripts/peer-environment NAME` installs it alone, without its dependencies, into an environment of
its own, whose packages are found behind those of this one.
"""

import importlib
import sys
from types import ModuleType

from peers.elsewhere import ROOT, PeerMissingError


def beside(name: str, module: str) -> ModuleType:
    """A module of an environment.

    Raises:
        PeerMissingError: there is no such environment, or nothing of this name in it.
    """
    for packages in (ROOT / ".peers" / name).glob("lib/python*/site-packages"):
        if str(packages) not in sys.path:
            sys.path.append(str(packages))
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise PeerMissingError(
            f"{module} is not there ({problem}): scripts/peer-environment {name}"
        ) from problem
