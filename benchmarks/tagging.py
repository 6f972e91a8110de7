"""Training a tagger and tagging a sentence, and a field alone, beside plain torch and Keras.

    scripts/peer-environment crf keras            # for the cases beside them
    python benchmarks/tagging.py [--busy]

In plain torch the peer is a BiLSTM-CRF as one writes it: a DataLoader that pads, a packed
`nn.LSTM`, pytorch-crf; and the same without a field, each label by its own softmax. Keras has no
field: its BiLSTM has the softmax, reads masked batches by `train_on_batch`, and runs on the same
torch. Training is one pass over 512 sentences of 3 to 60 tokens, 23 labels (as CoNLL-2000's
chunks), batches of 32, without characters, with the same weights at its start, whose losses are
compared first. Tagging is the whole call, words in, labels out, of one sentence after the other;
the labels of all must be the same. Then the field alone: its loss with gradients, and its best
labels, of one padded batch.
"""

from collections.abc import Callable
from typing import Any

import torch
from peers.beside import beside
from peers.comparison import Case, check_agreement, compare_all, parser_of, settings_of
from peers.keras_on_torch import keras_on_torch, linear_weights, lstm_weights
from peers.one_epoch import one_epoch
from peers.plain_tagger import PlainTagger, Sample, collate, train_an_epoch
from torch import Tensor, nn

import ostinato
from ostinato.data.sorted_pools import Order
from ostinato.data.tagging.batches import TagBatches
from ostinato.data.tagging.codec import TagCodec
from ostinato.data.tagging.part import TaggedPart, encode_tagged
from ostinato.data.tagging.sentences import Sentence, TaggedText
from ostinato.layers import load_torch_state_dict
from ostinato.tasks.tagging.evaluation import predict
from ostinato.training import ThroughLabels

COUNT, WORDS, SIZE, HIDDEN, LABELS, BATCH = 512, 5000, 100, 100, 23, 32
RESERVED = 2  # padding and unknown come before the words
ONE_BY_ONE = 20  # sentences that are tagged one after the other
CODEC = TagCodec(
    tuple(f"w{number}" for number in range(WORDS)),
    (1,) * WORDS,
    tuple("w0123456789"),
    tuple(f"L{number}" for number in range(LABELS)),
    lowercase=False,
    digits_alike=False,
)


def sentences() -> list[Sample]:
    generator = torch.Generator().manual_seed(0)

    def drawn(most: int, count: int) -> Tensor:
        return torch.randint(most, (count,), generator=generator)

    lengths = (3 + drawn(58, COUNT)).tolist()
    return [(RESERVED + drawn(WORDS, length), drawn(LABELS, length)) for length in lengths]


def as_sentence(sample: Sample) -> Sentence:
    words, labels = sample
    return Sentence(
        tuple(CODEC.words[word - RESERVED] for word in words.tolist()),
        tuple(CODEC.labels[label] for label in labels.tolist()),
        tuple(range(1, len(words) + 1)),
    )


def as_part(samples: list[Sample]) -> TaggedPart:
    return encode_tagged(TaggedText([as_sentence(one) for one in samples], "random"), CODEC)


def both_models(*, field: bool) -> tuple[ostinato.Tagger, PlainTagger]:
    crf = beside("crf", "torchcrf").CRF(LABELS, batch_first=True) if field else None
    plain = PlainTagger(WORDS + RESERVED, SIZE, HIDDEN, LABELS, crf)
    layer = ostinato.LSTM(SIZE, HIDDEN, bidirectional=True)
    load_torch_state_dict(layer, plain.lstm.state_dict())
    features = ostinato.WordFeatures(WORDS + RESERVED, SIZE)
    ours = ostinato.Tagger(features, layer, LABELS, conditional_random_field=field)
    features.embedding.load_state_dict(plain.embedding.state_dict())
    ours.output.load_state_dict(plain.output.state_dict())
    if crf is not None:
        same_field(ours.crf, crf)
    return ours, plain


def same_field(ours: ostinato.LinearChainCRF | None, theirs: nn.Module) -> None:
    assert ours is not None
    weights = {
        "start": theirs.get_parameter("start_transitions"),
        "end": theirs.get_parameter("end_transitions"),
        "transitions": theirs.get_parameter("transitions"),
    }
    ours.load_state_dict(weights)


def our_epoch(model: ostinato.Tagger, part: TaggedPart) -> Callable[[], None]:
    """One pass by the trainer."""
    return one_epoch(
        ThroughLabels(model),
        lambda: TagBatches(part, tokens=1 << 16, sentences=BATCH, order=Order(0)),
    )


def our_loss(model: ostinato.Tagger, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Of all tokens of a batch together."""
    words, labels, lengths = batch
    scores = model.eval()(words, words.unsqueeze(2), words, lengths)
    return model.loss(scores, labels, lengths).sum()


def training(*, field: bool) -> Callable[[], Case]:
    def make() -> Case:
        samples = sentences()
        ours, plain = both_models(field=field)
        batch = words, labels, lengths = collate(samples[:BATCH])
        check_agreement(our_loss(ours, batch), plain.loss(words, labels, lengths), 2e-3)
        optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-3)
        return Case(
            f"training, {kind_of(field)} h={HIDDEN}, {COUNT} sentences",
            peer_of(field),
            our_epoch(ours.train(), as_part(samples)),
            lambda: train_an_epoch(plain, optimiser, samples, BATCH),
            tolerance=None,
        )

    return make


def kind_of(field: bool) -> str:
    return "BiLSTM-CRF" if field else "BiLSTM, softmax"


def peer_of(field: bool) -> str:
    return "torch, pytorch-crf" if field else "torch, packed"


def training_beside_keras() -> Case:
    samples = sentences()
    ours, plain = both_models(field=False)
    model = keras_model(plain)
    batches = [collate(samples[start : start + BATCH]) for start in range(0, COUNT, BATCH)]
    words, labels, lengths = batches[0]
    theirs = torch.tensor(model.test_on_batch(words, labels)) * lengths.sum()
    check_agreement(our_loss(ours, batches[0]).detach(), theirs, 2e-3)

    def work() -> None:
        for words, labels, _ in batches:
            model.train_on_batch(words, labels)

    return Case(
        f"training, {kind_of(False)} h={HIDDEN}, {COUNT} sentences",
        "Keras on torch",
        our_epoch(ours.train(), as_part(samples)),
        work,
        tolerance=None,
    )


def keras_model(plain: PlainTagger) -> Any:
    """The same network with the same weights in Keras; the word 0 is padding, which is masked."""
    keras = keras_on_torch()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            layers.Embedding(WORDS + RESERVED, SIZE, mask_zero=True),
            layers.Bidirectional(layers.LSTM(HIDDEN, return_sequences=True)),
            layers.Dense(LABELS),
        ]
    )
    embedding = plain.embedding.weight.detach().numpy()
    model.set_weights([embedding, *lstm_weights(plain.lstm), *linear_weights(plain.output)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3, clipnorm=1.0), loss)
    return model


def tagging(*, field: bool) -> Callable[[], Case]:
    def make() -> Case:
        ours, plain = both_models(field=field)
        return one_by_one(ours, plain.eval().tag, field, peer_of(field))

    return make


def tagging_beside_keras() -> Case:
    ours, plain = both_models(field=False)
    model = keras_model(plain)

    @torch.no_grad()
    def tag(words: Tensor) -> list[int]:
        return model(words[None], training=False)[0].argmax(1).tolist()

    return one_by_one(ours, tag, False, "Keras on torch, called")


def one_by_one(
    model: ostinato.Tagger, tag: Callable[[Tensor], list[int]], field: bool, peer: str
) -> Case:
    """Words to labels, a sentence at a time; `tag` is the peer's, from indices to indices."""
    model.eval()
    given = [as_sentence(sample) for sample in sentences()[:ONE_BY_ONE]]
    index = {word: number for number, word in enumerate(CODEC.words, start=RESERVED)}

    def ours() -> list[tuple[str, ...]]:
        return [predict(model, CODEC, [one])[0] for one in given]

    def theirs() -> list[tuple[str, ...]]:
        found = (tag(torch.tensor([index[word] for word in one.tokens])) for one in given)
        return [tuple(CODEC.labels[label] for label in labels) for labels in found]

    assert ours() == theirs(), "the labels differ"
    name = f"{ONE_BY_ONE} sentences one by one, {kind_of(field)}"
    return Case(name, peer, ours, theirs, tolerance=None)


def batch_of_scores() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    lengths = torch.randint(3, 61, (BATCH,))
    time = int(lengths.max())
    labels = torch.randint(LABELS, (BATCH, time))
    return torch.randn(BATCH, time, LABELS), labels, lengths, torch.arange(time) < lengths[:, None]


def field_loss() -> Case:
    ours, plain = ostinato.LinearChainCRF(LABELS), beside("crf", "torchcrf").CRF(LABELS, True)
    same_field(ours, plain)
    scores, labels, lengths, mask = batch_of_scores()
    scores.requires_grad_()

    def gradients(loss: Tensor, module: nn.Module) -> dict[str, Tensor]:
        wanted = {"scores": scores, "transitions": module.get_parameter("transitions")}
        found = torch.autograd.grad(loss, list(wanted.values()))
        return {"loss": loss.detach().view(1), **dict(zip(wanted, found, strict=True))}

    return Case(
        f"the field's loss and gradients, {BATCH} x {scores.shape[1]}",
        "pytorch-crf",
        lambda: gradients(ours.loss(scores, labels, lengths).sum(), ours),
        lambda: gradients(-plain(scores, labels, mask, reduction="sum"), plain),
    )


def viterbi(batch: int, time: int) -> Callable[[], Case]:
    def make() -> Case:
        ours, plain = ostinato.LinearChainCRF(LABELS), beside("crf", "torchcrf").CRF(LABELS, True)
        same_field(ours, plain)
        scores = torch.randn(batch, time, LABELS)
        lengths = torch.randint(time // 2, time + 1, (batch,))
        mask = torch.arange(time) < lengths[:, None]
        mask[0], lengths[0] = True, time

        def theirs() -> Tensor:
            with torch.no_grad():
                found = plain.decode(scores, mask)
            rows = [torch.tensor(one) for one in found]
            return nn.utils.rnn.pad_sequence(rows, batch_first=True).float()

        return Case(
            f"Viterbi, {batch} x {time}",
            "pytorch-crf",
            lambda: ours.decode(scores, lengths)[0].float(),
            theirs,
        )

    return make


def main() -> None:
    options = parser_of(__doc__, seconds=4.0).parse_args()
    tokens = sum(len(words) for words, _ in sentences())
    makers = [
        training(field=True),
        training(field=False),
        training_beside_keras,
        tagging(field=True),
        tagging(field=False),
        tagging_beside_keras,
        field_loss,
        viterbi(32, 60),
        viterbi(256, 60),
        viterbi(1, 60),
    ]
    for record in compare_all(makers, settings_of(options), "tagging"):
        name = f"{record.case}, {record.peer}"
        if record.case.startswith("training"):
            told = tokens / record.our_seconds, tokens / record.peer_seconds
            print("{}: {:,.0f} tokens/s, {:,.0f}".format(name, *told))
        elif "one by one" in record.case:
            told = 1e3 / ONE_BY_ONE * record.our_seconds, 1e3 / ONE_BY_ONE * record.peer_seconds
            print("{}: {:.2f} ms a sentence, {:.2f}".format(name, *told))


if __name__ == "__main__":
    main()
