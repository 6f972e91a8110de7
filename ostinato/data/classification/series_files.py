"""The files of the time series archives.

ts     UEA and UCR since 2018: a header of @names, then a sample a line, its dimensions with a colon
       between and its class behind the last
ucr    UCR before: a sample a line, its class first, values with white space or commas between
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np

from ostinato.data.classification.numbers import parse_numbers, without_missing_end
from ostinato.data.classification.samples import Sample, SampleStream
from ostinato.errors import DataError


def read_ts(lines: Iterable[str], name: str, *, labelled: bool) -> SampleStream:
    """The samples of a .ts file; series may differ in length.

    Raises:
        DataError: no such file, with the line and dimension.
    """
    header, numbered = _ts_header(lines, name)
    has_label = header.get("classlabel", "false").split()[:1] == ["true"]
    if labelled and not has_label:
        raise DataError(f"{name} says @classLabel false: it holds no classes to learn")
    declared = frozenset(header.get("classlabel", "").split()[1:]) if labelled else frozenset()
    dimensions: list[int] = []
    samples = (
        _declared(_ts_sample(text, name, line, has_label, labelled, dimensions), name, declared)
        for line, text in numbered
    )
    first = list(islice(samples, 1))  # It tells how many dimensions there are.
    count = dimensions[0] if dimensions else 1
    features = tuple(f"dimension {place}" for place in range(1, count + 1))
    return SampleStream(chain(first, samples), name, features)


def read_ucr(lines: Iterable[str], name: str, *, labelled: bool) -> SampleStream:
    """The samples of a file of one series a line, its class first."""

    def samples() -> Iterator[Sample]:
        for line, text in enumerate(lines, start=1):
            cells = text.replace(",", " ").split()
            if not cells:
                continue
            numbers = parse_numbers(cells[1:], f"{name}, line {line}")
            series = without_missing_end(numbers)[:, None]
            yield Sample(series, _class_name(cells[0]) if labelled else None, f"line {line}")

    return SampleStream(samples(), name, ("value",))


def _ts_header(lines: Iterable[str], name: str) -> tuple[dict[str, str], Iterator[tuple[int, str]]]:
    """What stands before @data, and the lines behind it with their numbers."""
    numbered = ((number, line.strip()) for number, line in enumerate(lines, start=1))
    header: dict[str, str] = {}
    for number, line in numbered:
        if not line or line.startswith("#"):
            continue
        key, _, value = line.partition(" ")
        if key.lower() == "@data":
            break
        if not key.startswith("@"):
            raise DataError(f"{name}, line {number}: expected @data before the first series")
        header[key[1:].lower()] = value.strip().lower()
    else:
        raise DataError(f"{name} has no line @data: it is no .ts file, or was cut off")
    if header.get("timestamps") == "true":
        raise DataError(f"{name} says @timeStamps true: series with time stamps are not read")
    return header, ((number, line) for number, line in numbered if line and line[0] != "#")


def _ts_sample(
    text: str, name: str, line: int, has_label: bool, labelled: bool, first: list[int]
) -> Sample:
    """One line; `first` holds the number of dimensions once it is known."""
    fields = text.split(":")
    label = fields.pop().strip() if has_label else None
    if not first:
        first.append(len(fields))
    if len(fields) != first[0]:
        raise DataError(
            f"{name}, line {line} has {len(fields)} dimensions, the first sample has {first[0]}"
        )
    dimensions = []
    for number, field in enumerate(fields, start=1):
        place = f"{name}, line {line}, dimension {number}"
        dimensions.append(parse_numbers(field.split(",") if field.strip() else [], place))
    lengths = {len(dimension) for dimension in dimensions}
    if len(lengths) > 1:
        told = ", ".join(map(str, sorted(lengths)))
        raise DataError(f"{name}, line {line} has dimensions of different lengths: {told}")
    return Sample(np.stack(dimensions, 1), label if labelled else None, f"line {line}")


def _declared(sample: Sample, name: str, declared: frozenset[str]) -> Sample:
    """The sample; its class must be among those that @classLabel names, in small letters."""
    if declared and sample.label is not None and sample.label.lower() not in declared:
        raise DataError(
            f"{name}, {sample.place}: the class {sample.label!r} is not among those that "
            f"@classLabel names, {', '.join(sorted(declared))}"
        )
    return sample


def _class_name(cell: str) -> str:
    """`1.0000000e+000` is the class 1."""
    try:
        number = float(cell)
    except ValueError:
        return cell
    return str(int(number)) if number.is_integer() else cell
