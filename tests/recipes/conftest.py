"""Recipes are scripts: each is loaded from its file."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
sys.path.insert(0, str(RECIPES))  # as a recipe that is run has it


@pytest.fixture(scope="session")
def recipe() -> Callable[[str], ModuleType]:
    def load(name: str) -> ModuleType:
        specification = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    return load
