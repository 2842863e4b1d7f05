"""Draw docs/live.svg: the live view of a run that is live now.

    python tools/draw_live.py [REDIS_URL] [KAFKA]

Start `rushhour up` first. Looks at the run for two seconds, to measure its speed.
"""

import sys
import time
from io import StringIO
from pathlib import Path

from rich.console import Console

import rushhour
from rushhour.core.hours import SECOND_MS
from rushhour.simulator.run_view import RunView
from rushhour.simulator.terminal.live import pace_label
from rushhour.simulator.terminal.live_screen import Controls, live_screen
from rushhour.simulator.terminal.remote.sparkline import HOURS, Sparkline
from rushhour.storage.recent_hours import RecentHours

_SIZE = 92, 30
_FILE = Path(__file__).parents[1] / "docs" / "live.svg"
_SECONDS = 2.0


def main(redis_url: str = "redis://127.0.0.1:6379", kafka: str = "127.0.0.1:35197") -> None:
    """Draw the run on a Redis, with the addresses as the terminal shows them."""
    client = rushhour.connect(redis_url)
    before = RunView.read(client).clock
    time.sleep(_SECONDS)
    view = RunView.read(client)
    if before is None or view.clock is None:
        sys.exit("the run has not started")
    trips = (view.clock.trips - before.trips) / _SECONDS
    pace = pace_label((view.clock.now_ts - before.now_ts) / SECOND_MS / _SECONDS)
    width, height = _SIZE
    console = Console(record=True, width=width, height=height, file=StringIO(), force_terminal=True)
    addresses = {"Kafka": kafka, "Redis": redis_url}
    bars = Sparkline(RecentHours(client, HOURS).update(view.run.run_id), view.next_prediction)
    screen = live_screen(
        view, (trips, pace), addresses, (width, height), bars=bars, controls=Controls(True)
    )
    console.print(screen)
    console.save_svg(str(_FILE), title="rushhour up")


if __name__ == "__main__":
    main(*sys.argv[1:])
