"""The examples in the package's docstrings run and give what they show."""

import doctest
import pkgutil
from importlib import import_module

import pytest
import torch

import ostinato

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(ostinato.__path__, "ostinato.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name: str) -> None:
    known = {"ostinato": ostinato, "torch": torch}
    results = doctest.testmod(import_module(name), extraglobs=known)
    assert results.failed == 0
