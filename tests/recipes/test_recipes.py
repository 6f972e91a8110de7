"""What the synthetic tasks of the recipes ask for, checked by other means; and that they train."""

import random
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch

Load = Callable[[str], ModuleType]


def test_parity_is_the_remainder_of_the_count(recipe: Load) -> None:
    bits = torch.randint(2, (5, 9))
    labels = recipe("parity").parity(bits)
    assert labels[3, 6].item() == sum(bits[3, :7].tolist()) % 2


def test_parity_learns(recipe: Load) -> None:
    module = recipe("parity")
    model = module.Parity(16)
    module.train(model, 300, 12)
    assert module.accuracy(model, 12, samples=200) > 0.9


def test_the_target_of_adding_is_the_sum_of_the_marked(recipe: Load) -> None:
    inputs, sums = recipe("adding_problem").draw(4, 20)
    marked = [inputs[row, :, 0][inputs[row, :, 1] == 1] for row in range(4)]
    assert [len(numbers) for numbers in marked] == [2] * 4
    torch.testing.assert_close(torch.stack([numbers.sum() for numbers in marked]), sums)


def test_adding_takes_an_update(recipe: Load) -> None:
    module = recipe("adding_problem")
    model = module.Adder(4)
    module.train(model, 2, 10)
    assert module.mean_squared_error(model, 10, samples=10) > 0


def test_temporal_order_names_the_two_marked_symbols(recipe: Load) -> None:
    symbols, classes = recipe("temporal_order").draw(50, 40)
    marked = [[symbol - 4 for symbol in row if symbol >= 4] for row in symbols.tolist()]
    assert [2 * first + second for first, second in marked] == classes.tolist()


def test_temporal_order_takes_an_update(recipe: Load) -> None:
    module = recipe("temporal_order")
    model = module.Order(6)
    module.train(model, 2, 12, clip_norm=1.0)
    assert 0 < module.errors(model, 12, samples=100) < 100


def test_embedded_reber_strings_are_accepted_by_another_automaton(recipe: Load) -> None:
    module, chance = recipe("reber_grammar"), random.Random(0)
    for _ in range(300):
        string, following = module.embedded_string(chance)
        assert string[0] == "B"
        assert string[1] == string[-2]
        assert accepts(string[2:-2])
        assert all(symbol in may for symbol, may in zip(string[1:], following, strict=True))


def accepts(string: str) -> bool:
    """Whether this is a Reber string, by the edges of Figure 3 of the paper, read one by one."""
    edges = {"0T1", "0P2", "1S1", "1X3", "2T2", "2V4", "3X2", "3S5", "4P3", "4V5"}
    state = "0"
    for symbol in string[1:-1]:
        following = [edge[2] for edge in edges if edge.startswith(state + symbol)]
        if not following:
            return False
        state = following[0]
    return string[0] == "B" and string[-1] == "E" and state == "5"


def test_a_network_that_knows_nothing_does_not_succeed(recipe: Load) -> None:
    assert recipe("reber_grammar").sequences_to_success(seed=0, most=100, hidden_size=4) is None


def test_the_commands_of_recipes_are_understood(recipe: Load, tmp_path: Path) -> None:
    module = recipe("tiny_shakespeare")
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be\n" * 400)
    settings = module.CPU | {"updates": 1, "hidden-size": 4, "cache-dir": tmp_path / "cache"}
    words = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "ostinato.cli", "train", "text", f"--data={text}"]
    done = subprocess.run(
        [*command, *words, f"--run={tmp_path / 'run'}"], capture_output=True, check=False
    )
    assert done.returncode == 0, shlex.join(command) + done.stderr.decode()
