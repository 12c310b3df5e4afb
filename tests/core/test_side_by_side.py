"""Parts of a batch side by side: the same answers as the batch at once, in the right order, and no trace left behind."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref

import pytest
import torch

from ddpm_studio.devices import Device, choose_device
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.errors import UserError
from ddpm_studio.presets import PRESETS, get_preset
from ddpm_studio.side_by_side import SideBySide, count_parts, side_by_side
from ddpm_studio.training.checkpoint import TrainingState
from ddpm_studio.training.gradient import compute_gradients, count_pieces, count_shares
from ddpm_studio.training.memory import bytes_needed, fitting_pieces

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _gradients(threads: int, **changes: object) -> tuple[float, list[torch.Tensor]]:
    """The loss and the gradients of one batch of 17, computed with so many threads."""
    torch.set_num_threads(threads)
    config = get_preset("tiny-32").with_changes({"training.batch_size": 17, **changes})
    device = choose_device("cpu")
    state = TrainingState.new(config, device.torch)
    state.net.train()
    # The last layers start at 0, and with them nearly all gradients would be 0.
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in state.net.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    x_start, noise = (torch.randn(17, 3, 32, 32, generator=generator) for _ in range(2))
    t = torch.randint(1000, (17,), generator=generator)
    loss = compute_gradients(state, config, GaussianDiffusion(config.diffusion), (x_start, t, noise), device)
    return float(loss), [weight.grad.clone() for weight in state.net.parameters() if weight.grad is not None]


def test_gradients_of_two_shares_are_those_of_the_batch(two_threads) -> None:
    loss, gradients = _gradients(1)
    loss2, gradients2 = _gradients(2)
    assert loss2 == pytest.approx(loss, rel=1e-5)
    assert len(gradients) == len(gradients2)
    for one, two in zip(gradients, gradients2, strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-5 * float(one.abs().max()) + 1e-7)


def test_the_same_shares_give_the_same_bits(two_threads) -> None:
    first, second = _gradients(2), _gradients(2)
    assert first[0] == second[0]
    assert all(torch.equal(one, two) for one, two in zip(first[1], second[1], strict=True))


def test_dropout_is_not_divided(two_threads) -> None:
    """Its masks come from one generator, which several threads would ask in no fixed order."""
    device = choose_device("cpu")
    config = get_preset("tiny-32")
    assert count_shares(config, 32, device) == 2
    assert count_shares(config.with_changes({"model.dropout": 0.1}), 32, device) == 1
    first, second = (_gradients(2, **{"model.dropout": 0.1}) for _ in range(2))
    assert all(torch.equal(one, two) for one, two in zip(first[1], second[1], strict=True))


def test_how_many_parts(two_threads) -> None:
    assert [count_parts(n, 8, CPU) for n in (1, 8, 15, 16, 64)] == [1, 1, 1, 2, 2]
    assert count_parts(64, 8, torch.device("meta")) == 1


@pytest.mark.parametrize(("threads", "parts"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 4), (7, 4), (8, 4), (11, 4)])
def test_no_number_of_cores_leaves_a_batch_whole(two_threads, threads: int, parts: int) -> None:
    torch.set_num_threads(threads)
    assert count_parts(32, 8, CPU) == parts


def test_results_come_in_order_from_different_threads(two_threads) -> None:
    both = threading.Barrier(2, timeout=10)  # broken unless the two run at the same time

    def work(number: int) -> tuple[int, str, int]:
        both.wait()
        return number, threading.current_thread().name, torch.get_num_threads()

    results = side_by_side(work, [0, 1])
    assert [number for number, _, _ in results] == [0, 1]
    assert results[0][1] != results[1][1]
    assert [threads for _, _, threads in results] == [1, 1]
    assert torch.get_num_threads() == 2
    with_others = []
    other = threading.Thread(target=lambda: with_others.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert with_others == [2]


def test_the_gradient_mode_is_the_callers(two_threads) -> None:
    with torch.no_grad():
        assert side_by_side(lambda _: torch.is_grad_enabled(), [0, 1]) == [False, False]
    assert side_by_side(lambda _: torch.is_grad_enabled(), [0, 1]) == [True, True]


def test_an_error_comes_out_when_all_have_ended(two_threads) -> None:
    ended = []

    def work(number: int) -> None:
        if number == 0:
            raise MemoryError("not enough")
        threading.Event().wait(0.1)
        ended.append(number)

    with pytest.raises(MemoryError):
        side_by_side(work, [0, 1])
    assert ended == [1]


def test_a_network_answers_the_same_in_parts(two_threads) -> None:
    config = get_preset("tiny-32")
    state = TrainingState.new(config, CPU)
    torch.nn.init.normal_(state.net.head.weight, std=0.1)
    x_t, t = torch.randn(5, 3, 32, 32), torch.randint(1000, (5,))
    with torch.no_grad():
        whole, parts = state.net(x_t, t), SideBySide(state.net)(x_t, t)
    assert not parts.requires_grad
    assert torch.allclose(whole, parts, atol=1e-5)


def test_several_at_once_get_their_own_answers(two_threads) -> None:
    answers: dict[int, list[list[int]]] = {0: [], 1: []}

    def ask(who: int) -> None:
        for _ in range(50):
            answers[who].append(side_by_side(lambda part: 10 * who + part, [0, 1]))

    askers = [threading.Thread(target=ask, args=(who,)) for who in answers]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert answers == {0: [[0, 1]] * 50, 1: [[10, 11]] * 50}


def test_without_threads_it_is_computed_all_the_same(two_threads, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on threads stands in the way of the second one: nothing waits for ever, and the cores stay as many."""
    started = []

    def start(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        original(thread)

    original = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    monkeypatch.setattr("ddpm_studio.side_by_side._pools", {})
    assert side_by_side(lambda part: part + 1, [0, 1]) == [1, 2]
    assert torch.get_num_threads() == 2
    started[0].join(10)
    assert not started[0].is_alive()


def test_an_error_keeps_nothing_alive(two_threads) -> None:
    class Large:
        pass

    alive = []

    def work(number: int) -> Large:
        if number == 0:
            raise MemoryError("not enough")
        large = Large()
        alive.append(weakref.ref(large))
        return large

    gc.disable()
    try:
        with contextlib.suppress(MemoryError):
            side_by_side(work, [0, 1])
        assert [reference() for reference in alive] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("name", sorted(PRESETS.keys() - {"paper-256", "small-64"}))  # the others are made of the same blocks
def test_gradients_lie_in_memory_as_the_weights_do(name: str) -> None:
    """Fused Adam takes it for granted; where it is not so, a copy is made."""
    config = get_preset(name).with_changes({"training.batch_size": 2, "data.image_size": 32})
    device = choose_device("cpu")
    state = TrainingState.new(config, device.torch)
    state.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = torch.randn(config.training.batch_size, 3, 32, 32)
    compute_gradients(state, config, GaussianDiffusion(config.diffusion), (batch, torch.zeros(len(batch), dtype=torch.int64), batch), device)
    assert all(weight.grad is not None and weight.grad.stride() == weight.stride() for weight in state.net.parameters())


def test_more_pieces_than_pictures(two_threads) -> None:
    """The pieces are those of a larger batch, from before a resume with a smaller one."""
    config, device = get_preset("tiny-32").with_changes({"training.batch_size": 3}), choose_device("cpu")
    state = TrainingState.new(config, device.torch)
    state.pieces = 16
    batch = torch.randn(3, 3, 32, 32)
    assert compute_gradients(state, config, GaussianDiffusion(config.diffusion), (batch, torch.zeros(3, dtype=torch.int64), batch), device).isfinite()


def test_what_a_share_works_on_stays_handy(two_threads) -> None:
    """The largest feature map of a share takes at most 24 MB on a processor; its pictures are never fewer than 8."""
    pieces = {name: count_pieces(get_preset(name), choose_device("cpu")) for name in ("tiny-32", "small-32", "small-64", "base-32", "annotated", "paper-256")}
    # 16 pictures of 0.75 MB; with dropout all 128 of 1.5 MB and 64 of 0.5 MB in one share; two shares of 8 pictures of 64 MB.
    assert pieces == {"tiny-32": 1, "small-32": 1, "small-64": 1, "base-32": 8, "annotated": 2, "paper-256": 4}
    assert count_pieces(get_preset("base-32").with_changes({"model.dropout": 0.0}), choose_device("cpu")) == 4
    assert count_pieces(get_preset("base-32"), choose_device("cpu"), asked=16) == 16  # where the memory is short
    assert count_pieces(get_preset("base-32"), Device(torch.device("cuda"), "", True)) == 1


@pytest.mark.parametrize("name", ["small-64", "base-32", "paper-256"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_no_core_rests_for_the_pieces(name: str, dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece has as many shares as the whole batch would have."""
    device = choose_device("cpu")
    for cores in range(1, 17):
        monkeypatch.setattr(torch, "get_num_threads", lambda cores=cores: cores)
        for batch in (1, 2, 8, 15, 20, 24, 40, 48, 64, 100, 128, 300):
            config = get_preset(name).with_changes({"training.batch_size": batch, "model.dropout": dropout})
            smallest = batch // count_pieces(config, device)  # of the pieces that tensor_split makes
            assert count_shares(config, smallest, device) == count_shares(config, batch, device), (cores, batch)


def test_handy_pieces_are_small_enough_for_a_small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where they are not, there are more of them; and what is said to be needed is what they need."""
    config, device = get_preset("base-32"), choose_device("cpu")
    needed = {pieces: bytes_needed(config, 128 // pieces, device) for pieces in (1, 8, 16)}
    for free, pieces in ((needed[1], 1), (needed[8], 1), (needed[8] - 1, 16), (needed[16], 16)):
        monkeypatch.setattr(Device, "free_memory", lambda self, free=free: free)
        assert fitting_pieces(config, device) == pieces
    monkeypatch.setattr(Device, "free_memory", lambda self: needed[16] - 1)
    with pytest.raises(UserError, match=f"about {needed[8] / 2**30:.1f} GB of memory"):
        fitting_pieces(config, device)


def test_gradients_of_handy_pieces_are_those_of_the_batch(two_threads, monkeypatch: pytest.MonkeyPatch) -> None:
    loss, gradients = _gradients(1)
    monkeypatch.setattr("ddpm_studio.training.gradient.HANDY", 1)
    assert count_pieces(get_preset("tiny-32").with_changes({"training.batch_size": 17}), choose_device("cpu")) == 2
    loss2, gradients2 = _gradients(1)
    assert loss2 == pytest.approx(loss, rel=1e-5)
    for one, two in zip(gradients, gradients2, strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-5 * float(one.abs().max()) + 1e-7)
