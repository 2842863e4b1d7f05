"""How often a process searches for cyclic garbage: it costs time and bounds memory."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from rushhour.runtime.process import search_garbage_seldom


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def restored() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("restored")
def test_garbage_is_not_searched_for_among_a_batch_of_messages_but_it_is_found() -> None:
    search_garbage_seldom()
    assert gc.get_freeze_count()
    garbage = weakref.ref(Cycle())
    batch = [[i] for i in range(20_000)]
    assert garbage() is not None
    batch += [[i] for i in range(40_000)]
    assert garbage() is None
