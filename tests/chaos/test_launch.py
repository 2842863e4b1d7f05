"""Processes live on when the thread that asked for them has ended."""

import threading
import time
from pathlib import Path

from rushhour.simulator.stack.child_process import ChildProcess
from tests.chaos.launch import launch


def test_a_process_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    started: list[ChildProcess] = []
    thread = threading.Thread(
        target=lambda: started.append(launch("sleep", ["sleep", "60"], tmp_path / "log"))
    )
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert started[0].poll() is None
    started[0].stop()
