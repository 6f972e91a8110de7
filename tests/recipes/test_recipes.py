"""What the synthetic tasks of the recipes ask for, checked by other means; and that they train."""

import datetime
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.tagging.settings import TaggingSettings
from ostinato.tasks.text.settings import TextSettings
from ostinato.tasks.translation.settings import TranslationSettings

Load = Callable[[str], ModuleType]
RECIPES = Path(__file__).parents[2] / "recipes"


def test_parity_is_the_remainder_of_the_count(recipe: Load) -> None:
    bits = torch.randint(2, (5, 9))
    labels = recipe("parity").parity(bits)
    assert labels[3, 6].item() == sum(bits[3, :7].tolist()) % 2


def test_parity_learns(recipe: Load) -> None:
    torch.manual_seed(0)
    module = recipe("parity")
    model = module.Parity(16)
    module.train(model, 300, 12)
    assert module.accuracy(model, 12, samples=200) > 0.9


def test_the_target_of_adding_is_the_sum_of_the_marked(recipe: Load) -> None:
    inputs, sums = recipe("adding_problem").draw(40, 20)
    marked = [inputs[row, :, 0][inputs[row, :, 1] == 1] for row in range(40)]
    assert [len(numbers) for numbers in marked] == [2] * 40
    torch.testing.assert_close(torch.stack([numbers.sum() for numbers in marked]), sums)


def test_adding_marks_one_number_in_each_half(recipe: Load) -> None:
    inputs, _ = recipe("adding_problem").draw(40, 20)
    assert (inputs[:, :10, 1].sum(1) == 1).all()
    assert (inputs[:, 10:, 1].sum(1) == 1).all()


def test_adding_beats_the_constant_answer_on_short_sequences(recipe: Load) -> None:
    torch.manual_seed(0)
    module = recipe("adding_problem")
    model = module.Adder(16)
    module.train(model, 300, 10)
    assert module.mean_squared_error(model, 10) < 0.167 / 4


def test_temporal_order_names_the_two_marked_symbols(recipe: Load) -> None:
    symbols, classes = recipe("temporal_order").draw(50, 40)
    marked = [[symbol - 4 for symbol in row if symbol >= 4] for row in symbols.tolist()]
    assert [2 * first + second for first, second in marked] == classes.tolist()


def test_temporal_order_clips_every_update_under_a_tiny_limit(recipe: Load) -> None:
    module = recipe("temporal_order")
    model = module.Order(6)
    assert module.train(model, 2, 12, clip_norm=1e-6) == 1
    assert 0 < module.errors(model, 12, samples=100) < 100


@pytest.mark.parametrize(
    ("task", "written"),
    [("reverse", lambda row: row[::-1]), ("copy", lambda row: row), ("sort", sorted)],
)
def test_targets_of_attention_copy_are_what_is_to_be_written(
    recipe: Load, task: str, written: Callable
) -> None:
    module = recipe("attention_copy")
    pairs = module.draw(20, (3, 6), task)
    for row, length in enumerate(pairs.source_lengths.tolist()):
        assert 3 <= length <= 6
        expected = [*written(pairs.inputs[row, :length].tolist()), module.END]
        assert pairs.targets[row, : length + 1].tolist() == expected


@pytest.mark.parametrize(
    "options", [{}, {"decoder": "luong", "window": "predictive"}, {"hard": True}]
)
def test_every_option_of_attention_copy_trains_and_writes(recipe: Load, options: dict) -> None:
    module = recipe("attention_copy")
    model = module.make("additive", size=8, **options)
    module.train(model, 2, (3, 4), "copy", batch_size=4)
    assert 0 <= module.exact(model, (3, 4), "copy", samples=10) < 1


def test_no_day_of_the_dates_is_in_two_parts(recipe: Load) -> None:
    module = recipe("date_formats")
    parts = module.draw_days(random.Random(0))
    assert {part: len(days) for part, days in parts.items()} == module.SIZES
    assert len(set().union(*parts.values())) == sum(module.SIZES.values())


def test_dates_are_written_so_that_they_can_be_read_in_one_way(recipe: Load) -> None:
    """By the standard library's own reading of each format."""
    module = recipe("date_formats")
    day = datetime.date(1979, 5, 3)
    forms = [form(day, "May", "Thursday") for form in module.FORMATS]
    assert forms[0] == "3 May 1979"
    assert forms[3] == "Thursday, May 3rd, 1979"
    readings = ["%d %B %Y", "%B %d, %Y", "%A, %d %B %Y", "%A, %B 3rd, %Y", "the 3rd of %B %Y"]
    readings += ["%d %b %Y", "%b %d %Y", "%a %b %d %Y", "%d.%m.%Y", "%m/%d/%Y", "%Y, %B %d"]
    for written, reading in zip(forms, [*readings, "%Y%m%d"], strict=True):
        read = datetime.datetime.strptime(written, reading)
        assert (read.year, read.month) == (1979, 5)


@pytest.mark.parametrize(
    ("day", "told"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (13, "13th"), (22, "22nd")],
)
def test_days_are_counted_in_english(recipe: Load, day: int, told: str) -> None:
    assert recipe("date_formats").ordinal(day) == told


def test_embedded_reber_strings_are_accepted_by_another_automaton(recipe: Load) -> None:
    module, chance = recipe("reber_grammar"), random.Random(0)
    for _ in range(300):
        string, following = module.embedded_string(chance)
        assert string[0] + string[-1] == "BE"
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


def test_strings_to_test_are_not_among_those_to_train_on(recipe: Load) -> None:
    training, test = recipe("reber_grammar").draw_sets(random.Random(0))
    assert (len(training), len(test)) == (256, 256)
    assert not {string for string, _ in training} & {string for string, _ in test}


def test_a_network_that_knows_nothing_does_not_succeed(recipe: Load) -> None:
    module = recipe("reber_grammar")
    done = module.strings_to_success(0, most=100, hidden_size=4, learning_rate=1e-2)
    assert done is None


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tiny_shakespeare", "CPU"),
        ("tiny_shakespeare", "GPU"),
        ("tiny_shakespeare_transformer", "CPU"),
        ("tiny_shakespeare_transformer", "GPU"),
        ("ptb_zaremba_medium", "SETTINGS"),
    ],
)
def test_settings_of_recipes_are_settings_of_text(recipe: Load, name: str, settings: str) -> None:
    chosen = getattr(recipe(name), settings)
    fields = {option.replace("-", "_"): value for option, value in chosen.items()}
    assert TextSettings(data="text.txt", **fields).schedule == chosen["schedule"]


PLANNERS = ["hull-5", "hull-5-50", "delaunay-5", "tsp-5", "tsp-10", "tsp-20-rewards", "sort-20-40"]


@pytest.mark.parametrize("name", PLANNERS)
def test_settings_of_recipes_are_settings_of_planning(recipe: Load, name: str) -> None:
    chosen = recipe("pointer_networks").RECIPES[name]
    fields = {option.replace("-", "_"): value for option, value in chosen.items()}
    assert PlanningSettings(**fields).points == chosen["points"]


@pytest.mark.parametrize("corpus", ["chunks", "tags"])
def test_settings_of_recipes_are_settings_of_tagging(recipe: Load, corpus: str) -> None:
    module = recipe("tagging_both_ways")
    chosen = module.CORPORA[corpus] | module.SETTINGS
    fields = {name.replace("-", "_"): value for name, value in chosen.items()}
    assert TaggingSettings(**fields).epochs == chosen["epochs"]


@pytest.mark.parametrize("name", ["tiny_shakespeare", "tiny_shakespeare_transformer"])
def test_tiny_shakespeare_runs_from_text_to_figures(
    recipe: Load, tmp_path: Path, name: str
) -> None:
    module = recipe(name)
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be\n" * 400)
    small = {"updates": 1, "hidden-size": 4, "threads": 1, "cache-dir": tmp_path / "cache"}
    options = module.as_options(module.CPU | small | {"data": text, "run": tmp_path / "run"})
    command = [sys.executable, "-m", "ostinato.cli", "train", "text", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "validation" in done.stdout


@pytest.mark.parametrize(
    "name", ["tiny_shakespeare", "tiny_shakespeare_transformer", "ptb_zaremba_medium"]
)
def test_without_data_a_recipe_says_what_is_missing(name: str) -> None:
    command = [sys.executable, str(RECIPES / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": ""})
    assert done.returncode == 1
    assert done.stderr.startswith("skipped: set OSTINATO_DATA to the folder that holds")


def test_a_recipe_ends_as_its_command_does_and_adds_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("")
    recipe = RECIPES / "pointer_networks.py"
    command = [sys.executable, str(recipe), "sort-20-40", "--run", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "holds a run already" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_of_a_recipe_become_options(recipe: Load) -> None:
    settings = {"updates": 3, "joint": True, "data": Path("a b")}
    expected = ["--updates", "3", "--joint", "--data", "a b"]
    assert recipe("commands").as_options(settings) == expected


def test_a_splice_site_that_stands_twice_is_read_once(recipe: Load, tmp_path: Path) -> None:
    file = tmp_path / "splice.data"
    file.write_text("EI,   one,  ACGT\nN,  two,   GGTA\nEI, three, ACGT\n")
    assert recipe("classification").splice(file) == [("ACGT", "EI"), ("GGTA", "N")]


def test_a_surname_of_several_languages_has_them_all(recipe: Load, tmp_path: Path) -> None:
    (tmp_path / "Irish.txt").write_text("Daly\nDaly\n")
    (tmp_path / "English.txt").write_text("Ash\nDaly\n")
    found = recipe("classification").surnames_with_languages(tmp_path)
    assert found == [("Ash", "English"), ("Daly", "English|Irish")]


def test_a_dialogue_has_the_kinds_of_its_services(recipe: Load, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    turns = [["U", "a table"], ["S", "where?"], ["U", "and a film"]]
    services = ["Movies_1", "Restaurants_2", "Movies_2"]
    file.write_text(json.dumps({"services": services, "turns": turns}) + "\n")
    assert recipe("classification").dialogues(file) == [
        ("a table and a film", "Movies|Restaurants")
    ]


def test_a_recipe_that_was_stopped_goes_on(
    recipe: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, commands = recipe("classification"), []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess:
        commands.append(command[3:])
        return subprocess.CompletedProcess(command, 0, stdout='{"accuracy": 1.0}')

    monkeypatch.setattr("commands.subprocess.run", run)
    monkeypatch.setattr(module, "files_of", lambda task, made: (Path("train"), Path("test")))
    module.train_and_judge("names", 0, 1, str(tmp_path))
    assert commands[0][:2] == ["train", "classification"]
    (tmp_path / "config.toml").write_text("")
    module.train_and_judge("names", 0, 1, str(tmp_path))
    assert commands[2] == ["resume", str(tmp_path), "--threads", "1"]


def test_drawings_of_the_last_five_people_are_the_test(recipe: Load, tmp_path: Path) -> None:
    folder = tmp_path / "omniglot"
    folder.mkdir()
    with zipfile.ZipFile(folder / "strokes_background_small1.zip", "w") as archive:
        archive.writestr("__MACOSX/small1/Greek/character01/._0001_01.txt", "")
        for person in range(1, 21):
            archive.writestr(f"small1/Greek/character01/0001_{person:02}.txt", "START\n1,2\n")
    parts = recipe("classification").drawings(folder, tmp_path / "made")
    counts = [len(list((part / "Greek" / "character01").iterdir())) for part in parts]
    assert counts == [15, 5]


def test_every_task_of_the_classification_table_has_settings_that_can_be(recipe: Load) -> None:
    module = recipe("classification")
    for task in module.PUBLISHED:
        words = {name.replace("-", "_"): value for name, value in module.settings_of(task).items()}
        words |= {"bidirectional": words.pop("no_bidirectional", None) is None}
        words |= {switch: True for switch in ("lowercase", "part_marks") if switch in words}
        assert ClassificationSettings(data=Path("a"), **words).final_rate == 0.05


@pytest.mark.parametrize("model", ["attention", "plain", "transformer"])
def test_settings_of_recipes_are_settings_of_translation(recipe: Load, model: str) -> None:
    chosen = recipe("multi30k").MODELS[model]
    fields = {option.replace("-", "_"): value for option, value in chosen.items()}
    assert TranslationSettings(data="pairs.tsv", model=model, **fields).updates == chosen["updates"]
