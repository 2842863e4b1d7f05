"""Following a run in a log: a line for each closed day, none if it is quiet."""

from io import StringIO

import redis

from rushhour.core import keys
from rushhour.runtime.redis_client import write_hash
from rushhour.simulator.terminal.consoles import Console
from rushhour.simulator.terminal.live import LogView, open_view
from rushhour.storage.runs import save_run
from tests.fixtures.run_views import RUN


def test_a_log_has_a_line_for_each_day(client: redis.Redis) -> None:
    log = StringIO()
    save_run(client, RUN)
    for hours in (1, 23, 24, 30, 49):
        write_hash(client, keys.QUALITY, {"hours_closed": hours, "rides": 1000 * hours})
        with LogView(client, Console(log)) as view:
            view.update()
    assert [line.split("  ")[1:] for line in log.getvalue().splitlines()] == [
        [
            f"{hours}/744 hours closed",
            f"{rides} rides",
            "MAE 24 h - rides/h (same_hour_last_week -)",
        ]
        for hours, rides in ((24, "24,000"), (30, "30,000"), (49, "49,000"))
    ]


def test_a_quiet_log_is_empty(client: redis.Redis) -> None:
    log = StringIO()
    save_run(client, RUN)
    write_hash(client, keys.QUALITY, {"hours_closed": 48, "rides": 1})
    commands = commands_processed(client)
    with open_view(client, Console(log, quiet=True), {}) as view:
        view.update()
    assert log.getvalue() == ""
    assert commands_processed(client) == commands + 1  # this one


def test_a_log_reads_the_run_only_when_a_day_is_over(client: redis.Redis) -> None:
    save_run(client, RUN)
    write_hash(client, keys.QUALITY, {"hours_closed": 30, "rides": 1})
    with LogView(client, Console(StringIO())) as view:
        view._show(0.0)
        commands = commands_processed(client)
        view._show(1.0)
        # How many hours are closed, who is awaited, and this one.
        assert commands_processed(client) == commands + 3


def commands_processed(client: redis.Redis) -> int:
    return int(client.info("stats")["total_commands_processed"])
