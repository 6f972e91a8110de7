"""Step by step is the whole, padding does not matter, a beam reorders by `select`."""

import pytest
import torch
from small_pairs import KINDS, SIZE, VOCABULARY, make_attending, make_plain, pairs

import ostinato
from ostinato.errors import SettingsError, ShapeError


@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_is_the_whole_target(kind: str) -> None:
    model = KINDS[kind]().double().eval()
    source, lengths, target_in, _, _ = pairs()
    whole = model(source, lengths, target_in)
    memory = model.encode(source, lengths)
    state = model.initial_state(memory)
    for t in range(target_in.shape[1]):
        log_probabilities, state = model.next_step(target_in[:, t], state, memory)
        torch.testing.assert_close(log_probabilities, whole[:, t], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_on_both_sides_does_not_matter(kind: str) -> None:
    model = KINDS[kind]().double().eval()
    source, lengths, target_in, targets, target_lengths = pairs()
    losses = model.loss(source, lengths, target_in, targets, target_lengths)
    for row in range(3):
        s, t = int(lengths[row]), int(target_lengths[row])
        one = slice(row, row + 1)
        alone = model.loss(source[one, :s], None, target_in[one, :t], targets[one, :t])
        torch.testing.assert_close(losses[one, :t], alone, rtol=0, atol=1e-12)
        assert (losses[row, t:] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_sum_to_one(kind: str) -> None:
    model = KINDS[kind]().double()
    source, lengths, target_in, _, _ = pairs()
    total = model(source, lengths, target_in).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("kind", KINDS)
def test_selected_rows_of_a_state_go_on_as_the_hypotheses_they_came_from(kind: str) -> None:
    """Rows that read what their parents read, one after another, over one memory."""
    model = KINDS[kind]().double().eval()
    source, lengths, _, _, _ = pairs(batch_size=2)
    memory = model.encode(source, lengths)
    state = ostinato.select(model.initial_state(memory), torch.tensor([0, 0, 0, 1, 1, 1]))
    tokens = torch.randint(VOCABULARY, (6,))
    _, state = model.next_step(tokens, state, memory)
    parents = torch.tensor([2, 2, 0, 5, 3, 5])
    state = ostinato.select(state, parents)
    following = torch.randint(VOCABULARY, (6,))
    beam, _ = model.next_step(following, state, memory)
    read = torch.stack([tokens[parents], following], 1)
    rows = torch.tensor([0, 0, 0, 1, 1, 1])
    forced = model(source[rows], lengths[rows], read)[:, 1]
    torch.testing.assert_close(beam, forced, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_selected_samples_of_a_memory_are_those_samples(kind: str) -> None:
    model = KINDS[kind]().double().eval()
    source, lengths, target_in, _, _ = pairs()
    kept = torch.tensor([2, 0])
    memory = ostinato.select(model.encode(source, lengths), kept)
    state = model.initial_state(memory)
    found, _ = model.next_step(target_in[kept, 0], state, memory)
    expected = model(source, lengths, target_in)[kept, 0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_learns(kind: str) -> None:
    model = KINDS[kind]()
    source, lengths, target_in, targets, target_lengths = pairs(8)
    model.loss(source, lengths, target_in, targets, target_lengths).sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None]
    assert silent == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    "kind", ["luong", "feeding", "bahdanau", "luong copy", "bahdanau coverage"]
)
def test_the_gradient_is_that_of_finite_differences(kind: str) -> None:
    model = KINDS[kind]().double()
    batch = pairs(2, 3, 3)
    names = [name for name, _ in model.named_parameters()]
    values = tuple(p.detach().requires_grad_() for p in model.parameters())
    keep = model.loss

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self) -> torch.Tensor:
            return keep(*batch).sum()

    def loss(*replaced: torch.Tensor) -> torch.Tensor:
        named = {f"model.{name}": value for name, value in zip(names, replaced, strict=True)}
        return torch.func.functional_call(Loss(), named, ())

    assert torch.autograd.gradcheck(loss, values, fast_mode=True)


@pytest.mark.parametrize("kind", ["luong", "feeding", "bahdanau", "luong location", "luong hard"])
def test_the_alignment_has_a_row_a_target_step(kind: str) -> None:
    model = KINDS[kind]().double().eval()
    source, lengths, target_in, _, _ = pairs()
    weights = model.alignment(source, lengths, target_in)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 7, dtype=torch.double))
    behind = torch.arange(5) >= lengths.unsqueeze(1)
    assert (weights.transpose(1, 2)[behind] == 0).all()


def test_a_plain_decoder_has_no_alignment() -> None:
    source, lengths, target_in, _, _ = pairs()
    with pytest.raises(SettingsError, match="attends to nothing"):
        make_plain().alignment(source, lengths, target_in)


@pytest.mark.parametrize(
    ("kind", "calls"), [("luong", 1), ("luong scaled-dot", 1), ("feeding", 7), ("bahdanau", 7)]
)
def test_attention_after_the_cell_looks_once_for_all_steps(
    kind: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = KINDS[kind](), []
    look = model.decoder.attention.look
    monkeypatch.setattr(
        model.decoder.attention,
        "look",
        lambda *given, **more: seen.append(1) or look(*given, **more),
    )
    source, lengths, target_in, _, _ = pairs()
    model(source, lengths, target_in)
    assert len(seen) == calls


def test_decoding_generates_with_the_model_closed_over_its_memory() -> None:
    from ostinato.decoding import Sampling, generate

    model = make_attending("bahdanau").eval()
    source, lengths, _, _, _ = pairs()
    memory = model.encode(source, lengths)
    steps = generate(
        lambda tokens, state: model.next_step(tokens, state, memory),
        model.initial_state(memory),
        torch.ones(3, dtype=torch.long),
        Sampling(temperature=0),
        length=4,
    )
    written = torch.stack([tokens for tokens, _ in steps], 1)
    start = torch.ones(3, 1, dtype=torch.long)
    forced = model(source, lengths, torch.cat([start, written[:, :-1]], 1))
    assert torch.equal(forced.argmax(-1), written)


def test_targets_of_another_length_are_refused() -> None:
    source, lengths, target_in, targets, _ = pairs()
    with pytest.raises(ShapeError, match=r"targets must be .* = \(3, 7\)"):
        make_plain().loss(source, lengths, target_in, targets[:, :3])


def test_a_target_without_a_step_is_refused() -> None:
    source, lengths, target_in, _, _ = pairs()
    with pytest.raises(ShapeError, match="one step at least"):
        make_plain()(source, lengths, target_in[:, :0])


def test_a_source_of_no_tokens_is_read_without_nan() -> None:
    model = make_attending("bahdanau").double()
    source, _, target_in, targets, _ = pairs(2)
    losses = model.loss(source, torch.tensor([0, 5]), target_in, targets)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("kind", "reads", "right"), [("luong", 2 * SIZE, SIZE), ("bahdanau", SIZE, 2 * SIZE)]
)
def test_a_layer_of_the_wrong_width_is_told_the_right_one(
    kind: str, reads: int, right: int
) -> None:
    with pytest.raises(SettingsError, match=f"make it read {right}"):
        make_attending(kind, layer=lambda inputs, hidden: ostinato.GRU(reads, hidden))


def test_halves_of_unequal_widths_are_refused() -> None:
    encoder = ostinato.RecurrentEncoder(VOCABULARY, SIZE, ostinato.GRU(SIZE, 5))
    with pytest.raises(SettingsError, match="gives 5 features a position"):
        ostinato.SequenceToSequence(encoder, make_attending("luong").decoder)


def test_losses_are_in_full_precision_under_autocast() -> None:
    model = make_attending("bahdanau")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model.loss(*pairs())
    assert losses.dtype == torch.float32
    assert losses.isfinite().all()
