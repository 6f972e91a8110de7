"""Training a classifier, and the latency of one live step, beside plain torch and Keras.

    python benchmarks/classification.py [--busy]
    scripts/peer-environment keras                # for the cases beside it

Training is one pass over 256 series of 20 to 200 steps of 8 numbers, batches of 32, with all that
belongs to it: ours by `SampleBatches`, which sorts pools of samples by length, and `Trainer`; in
plain torch by a DataLoader that pads, an `nn.LSTM`, packed or reading the padding, too, AdamW and
clipped gradients; in Keras by `train_on_batch` of masked batches, on the same torch. Both start
from the same weights, whose scores are compared first. A live step is the whole call, numbers in,
probabilities out; Keras has a stateful layer for it.
"""

from collections.abc import Callable
from typing import Any

import torch
from peers.comparison import Case, check_agreement, compare_all, parser_of, settings_of
from peers.keras_on_torch import keras_on_torch, linear_weights, lstm_weights
from peers.one_epoch import one_epoch
from peers.plain_classifier import (
    PlainClassifier,
    PlainStream,
    Sample,
    collate,
    train_an_epoch,
)
from torch import Tensor

import ostinato
from ostinato.data.classification.batches import SampleBatches
from ostinato.data.classification.codec import SampleCodec, SeriesCodec
from ostinato.data.classification.part import SamplePart, encode_samples
from ostinato.data.classification.samples import Samples
from ostinato.data.sorted_pools import Order
from ostinato.layers import load_torch_state_dict
from ostinato.tasks.classification.live import LiveClassification
from ostinato.training import ThroughSamples

COUNT, FEATURES, CLASSES, BATCH = 256, 8, 5, 32
NAMES = tuple(f"feature {place}" for place in range(FEATURES))
CODEC = SampleCodec(
    SeriesCodec(NAMES, (0.0,) * FEATURES, (1.0,) * FEATURES),
    tuple("abcde"),
    (1,) * CLASSES,
    COUNT,
)
LIVE_STEPS = 100


def series() -> list[Sample]:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(20, 201, (COUNT,), generator=generator).tolist()
    return [(torch.randn(n, FEATURES, generator=generator), n % CLASSES) for n in lengths]


def as_part(samples: list[Sample]) -> SamplePart:
    inputs = [one.numpy() for one, _ in samples]
    labels = [CODEC.classes[label] for _, label in samples]
    places = [f"sample {number}" for number in range(len(samples))]
    return encode_samples(Samples(inputs, labels, places, "random", NAMES), CODEC)


def both_models(
    size: int, *, both: bool, packed: bool = True
) -> tuple[ostinato.Classifier, PlainClassifier]:
    plain = PlainClassifier(FEATURES, size, CLASSES, both=both, packed=packed)
    layer = ostinato.LSTM(FEATURES, size, bidirectional=both)
    ours = ostinato.Classifier(ostinato.NumberSteps(FEATURES), layer, CLASSES)
    load_torch_state_dict(layer, plain.lstm.state_dict())
    ours.output.load_state_dict(plain.output.state_dict())
    return ours, plain


def our_epoch(model: ostinato.Classifier, part: SamplePart) -> Callable[[], None]:
    """One pass by the trainer."""
    return one_epoch(
        ThroughSamples(model),
        lambda: SampleBatches(part, steps=1 << 16, samples=BATCH, order=Order(0)),
    )


def training(size: int, *, both: bool, packed: bool = True) -> Callable[[], Case]:
    def make() -> Case:
        samples = series()
        ours, plain = both_models(size, both=both, packed=packed)
        inputs, lengths, _ = collate(samples)
        check_agreement(ours.eval()(inputs, lengths), plain(inputs, lengths), 2e-3)
        optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-3)
        ways = "both ways" if both else "one way"
        return Case(
            f"training, LSTM {ways} h={size}, {COUNT} series",
            "torch, packed" if packed else "torch, padded",
            our_epoch(ours.train(), as_part(samples)),
            lambda: train_an_epoch(plain, optimiser, samples, BATCH),
            tolerance=None,
        )

    return make


def training_beside_keras(size: int) -> Callable[[], Case]:
    def make() -> Case:
        samples = series()
        ours, plain = both_models(size, both=False)
        model = keras_model(plain, size, live=False)
        batches = [collate(samples[start : start + BATCH]) for start in range(0, COUNT, BATCH)]
        inputs, lengths, _ = batches[0]
        check_agreement(ours.eval()(inputs, lengths), model(inputs).detach(), 2e-3)

        def work() -> None:
            for some, _, classes in batches:
                model.train_on_batch(some, classes)

        return Case(
            f"training, LSTM one way h={size}, {COUNT} series",
            "Keras on torch",
            our_epoch(ours.train(), as_part(samples)),
            work,
            tolerance=None,
        )

    return make


def keras_model(plain: PlainClassifier, size: int, *, live: bool) -> Any:
    """The same network with the same weights in Keras; live, it carries the state of one sample."""
    keras = keras_on_torch()
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(1, 1, FEATURES) if live else (None, None, FEATURES)),
            *([] if live else [keras.layers.Masking()]),
            keras.layers.LSTM(size, stateful=live),
            keras.layers.Dense(CLASSES),
        ]
    )
    model.set_weights([*lstm_weights(plain.lstm), *linear_weights(plain.output)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3, clipnorm=1.0), loss)
    return model


def our_steps(model: ostinato.Classifier, steps: Tensor) -> Callable[[], Tensor]:
    answering, rows = LiveClassification(model.eval(), CODEC, 0.5), list(steps.numpy())

    def work() -> Tensor:
        answering.finish()
        answers = [answering.feed(row) for row in rows]
        return torch.tensor([list(one.probabilities.values()) for one in answers if one])

    return work


def live(size: int) -> Callable[[], Case]:
    def make() -> Case:
        ours, plain = both_models(size, both=False)
        steps = torch.randn(LIVE_STEPS, FEATURES)
        as_lists = steps.tolist()

        def plain_steps() -> Tensor:
            stream = PlainStream(plain)
            return torch.tensor([stream.feed(row) for row in as_lists])

        name = f"{LIVE_STEPS} live steps, LSTM h={size}"
        return Case(name, "plain torch", our_steps(ours, steps), plain_steps)

    return make


def live_beside_keras(size: int) -> Callable[[], Case]:
    def make() -> Case:
        ours, plain = both_models(size, both=False)
        model = keras_model(plain, size, live=True)
        steps = torch.randn(LIVE_STEPS, FEATURES)
        as_lists = steps.tolist()

        @torch.no_grad()
        def keras_steps() -> Tensor:
            model.layers[0].reset_state()
            rows = (torch.tensor(row).view(1, 1, -1) for row in as_lists)
            return torch.tensor([model(row, training=False)[0].softmax(0).tolist() for row in rows])

        name = f"{LIVE_STEPS} live steps, LSTM h={size}"
        return Case(name, "Keras on torch", our_steps(ours, steps), keras_steps)

    return make


def main() -> None:
    options = parser_of(__doc__, seconds=4.0).parse_args()
    settings = settings_of(options)
    makers = [
        training(128, both=False),
        training(128, both=False, packed=False),
        training(128, both=True),
        training(32, both=False),
        training_beside_keras(128),
        live(128),
        live(32),
        live_beside_keras(128),
    ]
    for record in compare_all(makers, settings, "classification"):
        if record.case.startswith("training"):
            told = COUNT / record.our_seconds, COUNT / record.peer_seconds
            print("{}, {}: {:,.0f} examples/s, {:,.0f}".format(record.case, record.peer, *told))
        else:
            told = 1e6 / LIVE_STEPS * record.our_seconds, 1e6 / LIVE_STEPS * record.peer_seconds
            print("{}, {}: {:.0f} us a step, {:.0f}".format(record.case, record.peer, *told))


if __name__ == "__main__":
    main()
