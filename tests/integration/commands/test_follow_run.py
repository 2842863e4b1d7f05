"""A run that is read while its embedded Redis ends."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rushhour.core.errors import RedisFailure
from rushhour.simulator.stack.open_run import OpenRun, follow_run, open_run
from rushhour.simulator.stack.redis_server import ANY_PORT, DUMP, EmbeddedRedis
from rushhour.simulator.stack.session import Session
from rushhour.storage.runs import load_run, save_run
from tests.fixtures.command import Rushhour
from tests.fixtures.settings import SettingsFactory


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_run_is_followed_into_its_own_dump_and_into_no_other(
    is_saved: bool, after_run: Rushhour, settings: SettingsFactory, tmp_path: Path
) -> None:
    with open_run(settings(state_dir=after_run.state_dir)) as opened:
        saved = load_run(opened.client)
    shutil.copy(after_run.state_dir / DUMP, tmp_path)
    directory = tmp_path / "live"
    directory.mkdir()
    server = EmbeddedRedis(directory, ANY_PORT)
    live = saved if is_saved else replace(saved, run_id="0123456789ab")
    found: list[tuple[str, str]] = []

    def follow(opened: OpenRun) -> None:
        found.append((opened.kind, load_run(opened.client).run_id))
        if opened.kind == "live":
            server.stop(save=False)
            opened.client.ping()

    Session(os.getpid(), live.run_id, server.url, "127.0.0.1:1").save(tmp_path)
    with open_run(settings(redis=server.url)) as opened:
        save_run(opened.client, live)
    if is_saved:
        follow_run(settings(state_dir=tmp_path), follow)
        assert found == [("live", saved.run_id), ("saved", saved.run_id)]
    else:
        with pytest.raises(RedisFailure):
            follow_run(settings(state_dir=tmp_path), follow)
        assert found == [("live", live.run_id)]
