"""What `rushhour up` does with a running stack: replay a month, show it, and report."""

import time
from contextlib import suppress
from urllib.parse import urlsplit

import redis

from rushhour.core.hours import clock_label
from rushhour.core.labels import hours_label, keep_lines, source_label, warm_lines
from rushhour.core.run import RunInfo
from rushhour.core.settings import WEB_PORT
from rushhour.simulator.commands.interrupts import Interrupts
from rushhour.simulator.commands.manifest_file import ManifestFile
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.run import report_document
from rushhour.simulator.evaluation.live import RunReader
from rushhour.simulator.evaluation.scoring import evaluate
from rushhour.simulator.run_view import RunView, read_hours_closed
from rushhour.simulator.stack.on_hour import HourRunner
from rushhour.simulator.stack.page_server import PageProcess, is_next_port
from rushhour.simulator.stack.redis_server import DEFAULT_PORT
from rushhour.simulator.stack.stack import Repeated, Stack
from rushhour.simulator.started import Times, seconds_since_start
from rushhour.simulator.terminal import report
from rushhour.simulator.terminal.live import open_view
from rushhour.simulator.terminal.locations import redis_cli
from rushhour.simulator.terminal.profile import profile_report
from rushhour.simulator.terminal.screens import time_label
from rushhour.storage.clock import is_settled

_POLL_S = 0.05
_RUNNER_POLL_S = 0.01  # with --on-hour: the clock stands meanwhile
_READ_S = 0.25


class Replay:
    """The replay of one run.

    Parameters
    ----------
    stack
        Its servers and processes.
    run
        What is replayed.
    output
        Where it is shown.
    interrupts
        Raise when the user asks to stop.
    pages
        The server of the pages, if they are wanted.
    """

    def __init__(
        self,
        stack: Stack,
        run: RunInfo,
        output: Output,
        interrupts: Interrupts,
        pages: PageProcess | None = None,
    ) -> None:
        self._stack = stack
        self._run = run
        self._output = output
        self._interrupts = interrupts
        self._pages = pages
        self._hours = RunReader(stack.client, run)
        self.was_stopped = False
        self._runner: HourRunner | None = None
        self._manifest: ManifestFile | None = None

    def begin(self, repeated: Repeated | None = None) -> None:
        """Say what is replayed, and let the processes begin; with `repeated`, as that run did."""
        for line in _announcement(self._stack, self._run, self._pages):
            self._output.note(line)
        self._stack.start_pipeline(self._run, repeated=repeated)
        if self._pages is not None:
            self._pages.start(self._stack.run_settings)
        self._manifest = ManifestFile(self._stack.client, self._stack.directory)
        self._runner = self._hour_runner()

    def watch(self) -> Times | None:
        """Show the run until every process is done, or a command stops it.

        Returns
        -------
        Times or None
            None if the user interrupted it.
        """
        stack = self._stack
        read_at, first_hour_s = 0.0, None
        try:
            addresses = _addresses(stack, self._pages)
            with open_view(stack.client, self._output.notes, addresses) as view:
                while not (stack.is_done() or self._is_stopped()):
                    self._interrupts.check()
                    view.update()
                    if view.quits:
                        raise KeyboardInterrupt
                    self._look_after_hour()
                    self._look_after_pages()
                    if first_hour_s is None or time.monotonic() >= read_at:
                        self._hours.update()
                        self._tell()
                        read_at = time.monotonic() + _READ_S
                        if first_hour_s is None and self._hours.count:
                            first_hour_s = seconds_since_start()
                    time.sleep(_POLL_S if self._runner is None else _RUNNER_POLL_S)
                times = Times(seconds_since_start(), first_hour_s)
                view.update()
        except KeyboardInterrupt:
            stack.stop_pipeline()  # first, so that the time is the one that is saved
            stopped_at = RunView.read(stack.client).now_ts
            self._output.note(f"stopped at {time_label(stopped_at, 'the start')}")
            return None
        finally:
            self._end_hour_runner()
            with suppress(redis.RedisError):  # not instead of an earlier error
                self._tell(end=True)
        return times

    def _tell(self, *, end: bool = False) -> None:
        """Keep the manifest of the run up to date; at its `end`, in any case."""
        if self._manifest is not None:
            (self._manifest.save if end else self._manifest.update)()

    def _is_stopped(self) -> bool:
        """Whether a command has stopped the run; one that leads back has started it over."""
        status = self._stack.ended_on_command()
        if status is None:
            return False
        if status.start_over_ts is not None:
            self._output.note(f"starting over, to {clock_label(status.start_over_ts)}")
            self._run = self._stack.start_over(self._run, status)
            self._hours = RunReader(self._stack.client, self._run)
            self._end_hour_runner()
            self._runner = self._hour_runner()
            return False
        if not is_settled(self._stack.client, self._run, status.now_ts):
            return False
        self._stack.stop_pipeline()
        self._output.note(f"stopped at {clock_label(status.now_ts)}")
        self.was_stopped = True
        return True

    def _hour_runner(self) -> HourRunner | None:
        stack = self._stack
        if not stack.settings.on_hour:
            return None
        return HourRunner(stack.client, stack.run_settings, stack.directory)

    def _end_hour_runner(self) -> None:
        if self._runner is not None:
            self._runner.stop()

    def _look_after_hour(self) -> None:
        """Run the command of `--on-hour`, if there is one; say so if it has failed."""
        problem = None if self._runner is None else self._runner.update()
        if problem is not None:
            self._output.warn(problem)

    def _look_after_pages(self) -> None:
        """Start the server of the pages again if it has ended, and say so."""
        problem = None if self._pages is None else self._pages.update()
        if problem is not None:
            self._output.warn(problem)

    def report(self, times: Times) -> None:
        """Print the report of a run that has ended."""
        costs = self._stack.costs()
        if self._pages is not None:
            costs |= self._pages.costs()
        view = RunView.read(self._stack.client)
        self._hours.update()
        evaluation = evaluate(self._hours.arrays())
        profile = self._stack.profile(costs)
        if self._output.as_json:
            document = report_document(view, evaluation, costs, times, profile)
            self._output.document(document)
            return
        trips = view.clock.trips if view.clock else 0
        self._output.show(report.report(view, evaluation))
        if profile is None:
            self._output.show(report.costs_report(costs, times, trips))
        else:
            self._output.show(profile_report(profile, times, trips))

    def stay(self) -> None:
        """Keep the servers up until Ctrl-C."""
        up = "Redis stays" if self._pages is None else f"{self._pages.url} and Redis stay"
        self._output.note(
            f"{up} up until Ctrl-C: `{redis_cli(self._stack.redis_address)}`, "
            "or `rushhour status` in another terminal"
        )
        try:
            while True:
                self._interrupts.check()
                self._stack.is_done()
                self._look_after_pages()
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            pass

    def hours_closed(self) -> int:
        """Return how many hours are closed."""
        return read_hours_closed(self._stack.client)


def _announcement(stack: Stack, run: RunInfo, pages: PageProcess | None) -> list[str]:
    settings = stack.settings
    kafka, redis = _addresses(stack, None).values()
    if settings.kafka is None:
        kafka += " (embedded)"
    if settings.redis is None:
        redis += f" (embedded: {redis_cli(stack.redis_address)})"
    lines = [
        f"replaying  {source_label(run)}",
        f"hours      {hours_label(run)} at {settings.speed}",
        *warm_lines(run),
        *keep_lines(run),
        f"Kafka      {kafka}",
        f"Redis      {redis}",
    ]
    wanted = settings.redis_port or DEFAULT_PORT
    if settings.redis is None and urlsplit(stack.redis_address.url).port not in {None, wanted}:
        lines.append(f"           port {wanted} is taken: this is the next free one")
    if pages is not None:
        lines.append(f"pages      {pages.url}")
        if is_next_port(settings, pages):
            lines.append(f"           port {WEB_PORT} is taken: this is the next free one")
    return lines


def _addresses(stack: Stack, pages: PageProcess | None) -> dict[str, str]:
    """Return where each server is."""
    addresses = {"Kafka": stack.kafka.bootstrap, "Redis": str(stack.redis_address)}
    return addresses if pages is None else addresses | {"pages": pages.url}
