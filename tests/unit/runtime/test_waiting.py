"""Waiting is the time in which a thread does not use the CPU."""

import threading

import pytest

from rushhour.runtime import waiting
from rushhour.runtime.waiting import WAITED, Waiting


class Clock:
    """Stands in for the module `time`: works and sleeps on demand."""

    def __init__(self) -> None:
        self.wall = self.cpu = 100.0

    def monotonic(self) -> float:
        return self.wall

    def thread_time(self) -> float:
        return self.cpu

    def work(self, seconds: float) -> None:
        self.wall += seconds
        self.cpu += seconds

    def sleep(self, seconds: float) -> None:
        self.wall += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def waited() -> float:
    return float(WAITED.labels("redis")._value.get())


def test_only_the_time_without_the_cpu_counts(clock: Clock) -> None:
    before, of_redis = waited(), Waiting("redis")
    clock.sleep(1.0)
    for _ in range(2):
        with of_redis:
            clock.work(3.0)
            clock.sleep(0.5)
    assert waited() - before == pytest.approx(1.0)


def test_a_wait_counts_if_it_ends_by_an_error(clock: Clock) -> None:
    before = waited()
    with pytest.raises(ZeroDivisionError), Waiting("redis"):
        clock.sleep(2.0)
        raise ZeroDivisionError
    assert waited() - before == pytest.approx(2.0)


def test_threads_wait_for_themselves(clock: Clock) -> None:
    before, of_redis = waited(), Waiting("redis")
    other = threading.Thread(target=of_redis.__enter__)
    with of_redis:
        clock.sleep(1.0)
        other.start()
        other.join()
        clock.sleep(1.0)
    assert waited() - before == pytest.approx(2.0)
