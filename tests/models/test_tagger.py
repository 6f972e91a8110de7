"""The tagger: padded as unpadded, spellings read once, unknown words, both outputs."""

import pytest
import torch
from torch import Tensor

import ostinato
from ostinato.errors import SettingsError, ShapeError
from ostinato.models import ConvolutionalSpelling, RecurrentSpelling, Tagger, WordFeatures

LENGTHS = torch.tensor([6, 3, 1])
KINDS = [RecurrentSpelling, ConvolutionalSpelling]


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Words, characters, spellings and lengths of three sentences; word w is spelled w, w, ..."""
    generator = torch.manual_seed(1)
    words = torch.randint(2, 9, (3, 6), generator=generator)
    words = torch.where(torch.arange(6) < LENGTHS.unsqueeze(1), words, 0)
    characters = torch.where(torch.arange(8) < words.unsqueeze(2), words.unsqueeze(2), 0)
    return words, characters, words, LENGTHS


def tagger(kind: type = RecurrentSpelling, *, crf: bool = True, both: bool = True) -> Tagger:
    torch.manual_seed(0)
    features = WordFeatures(10, 5, kind(10, 4, 3))
    recurrent = ostinato.LSTM(features.output_size, 7, bidirectional=both)
    return Tagger(features, recurrent, 4, conditional_random_field=crf).double().eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("both", [True, False])
def test_a_sentence_is_read_as_if_it_were_alone(kind: type, crf: bool, both: bool) -> None:
    model, (words, characters, spellings, lengths) = tagger(kind, crf=crf, both=both), batch()
    labels = torch.randint(4, (3, 6))
    scores = model(words, characters, spellings, lengths)
    losses, chosen = model.loss(scores, labels, lengths), model.choose(scores, lengths)
    for row, length in enumerate(lengths.tolist()):
        some = slice(row, row + 1), slice(length)
        alone = model(words[some], characters[some], spellings[some], lengths[row : row + 1])
        torch.testing.assert_close(alone, scores[some])
        one = model.loss(alone, labels[some], lengths[row : row + 1])
        torch.testing.assert_close(one, losses[row : row + 1])
        assert torch.equal(model.choose(alone, lengths[row : row + 1]), chosen[some])
        assert not chosen[row, length:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_each_spelling_is_read_once_and_alike_wherever_it_stands(kind: type) -> None:
    model, (words, characters, spellings, lengths) = tagger(kind), batch()
    each = torch.arange(18).view(3, 6)
    torch.testing.assert_close(
        model(words, characters, spellings, lengths), model(words, characters, each, lengths)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_padding_of_characters_changes_no_features(kind: type) -> None:
    torch.manual_seed(0)
    spelling, characters = kind(10, 4, 3), torch.tensor([[3, 4, 5], [6, 0, 0]])
    wider = torch.nn.functional.pad(characters, (0, 4))
    torch.testing.assert_close(spelling(wider), spelling(characters))
    torch.testing.assert_close(spelling(characters[1:, :1]), spelling(characters)[1:])


def test_recurrent_spelling_is_torchs_bidirectional_lstm() -> None:
    torch.manual_seed(0)
    spelling, characters = RecurrentSpelling(10, 4, 3), torch.randint(1, 10, (5, 6))
    theirs = torch.nn.LSTM(4, 3, bidirectional=True, batch_first=True)
    theirs.load_state_dict(ostinato.layers.torch_state_dict(spelling.recurrent))
    _, (hidden, _) = theirs(spelling.embedding(characters))
    torch.testing.assert_close(spelling(characters), torch.cat([hidden[0], hidden[1]], 1))


def test_one_way_a_label_knows_nothing_of_what_follows_and_both_ways_it_does() -> None:
    words, characters, spellings, lengths = batch()
    changed = words.clone()
    changed[0, 5] = 11 - words[0, 5]
    for both in (False, True):
        model = tagger(both=both)
        first, second = (model(w, characters, spellings, lengths) for w in (words, changed))
        assert torch.equal(first[0, :5], second[0, :5]) is not both
        assert not torch.equal(first[0, 5], second[0, 5])


def test_without_a_field_the_loss_is_torchs_cross_entropy() -> None:
    model, labels = tagger(crf=False), torch.randint(4, (3, 6))
    scores = model(*batch())
    rows = zip(scores, labels, LENGTHS.tolist(), strict=True)
    expected = [
        torch.nn.functional.cross_entropy(one[:n], wanted[:n], reduction="sum")
        for one, wanted, n in rows
    ]
    torch.testing.assert_close(model.loss(scores, labels, LENGTHS), torch.stack(expected))


def test_a_word_is_read_as_unknown_the_oftener_the_rarer_it_is() -> None:
    torch.manual_seed(0)
    counts = torch.tensor([1, 1, 1, 3])
    features = WordFeatures(4, 2, counts=counts, word_dropout=1.0)
    words = torch.tensor([[2, 3]]).expand(20_000, 2)
    unknown = features.embedding.weight[1]
    shares = (features(words, words, words) == unknown).all(2).double().mean(0)
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.25]).double(), rtol=0, atol=0.02)
    features.eval()
    assert not (features(words, words, words) == unknown).all(2).any()


def test_what_does_not_fit_is_refused() -> None:
    features = WordFeatures(10, 5)
    with pytest.raises(SettingsError, match="reads 4 features, but a token has 5"):
        Tagger(features, ostinato.LSTM(4, 7), 3)
    with pytest.raises(SettingsError, match="counts must be"):
        WordFeatures(10, 5, counts=torch.ones(3))
    with pytest.raises(SettingsError, match="word_dropout must not be negative"):
        WordFeatures(10, 5, word_dropout=-1.0)
    with pytest.raises(SettingsError, match="words must be at least 2"):
        WordFeatures(1, 5)
    with pytest.raises(SettingsError, match="characters and their features"):
        RecurrentSpelling(0, 4, 3)
    with pytest.raises(ShapeError, match="words must be integers"):
        features(torch.zeros(2, 3), torch.zeros(2, 3, 1), torch.zeros(2, 3))
    words, characters, spellings, _ = batch()
    with pytest.raises(ShapeError, match="characters must be"):
        tagger().features(words, characters[:, :3], spellings)
