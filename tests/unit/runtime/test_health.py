from rushhour.runtime.monitor import Health


class Wall:
    """A clock on the wall that moves only when told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_part_is_alive_for_a_minute_after_its_loop_came_around() -> None:
    wall = Wall()
    health = Health(wall)
    for _ in range(3):
        health.beat()
        wall.now += 59.9
        assert health.is_alive()
    wall.now += 0.1
    assert not health.is_alive()


def test_a_part_that_stood_still_is_alive_again_once_its_loop_comes_around() -> None:
    wall = Wall()
    health = Health(wall)
    health.beat()
    wall.now += 3_600.0
    assert not health.is_alive()
    health.beat()
    assert health.is_alive()


def test_a_part_whose_loop_has_not_begun_may_take_its_time() -> None:
    wall = Wall()
    health = Health(wall)
    wall.now += 1e9
    assert health.is_alive()


def test_a_part_whose_work_is_done_may_stand_still() -> None:
    wall = Wall()
    health = Health(wall)
    health.beat()
    health.done()
    wall.now += 1e9
    assert health.is_alive()
