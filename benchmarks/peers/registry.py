"""The contenders: how each is started, and how its counts are checked."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.peers.environments import interpreter, spark_jars
from benchmarks.peers.topic import Topic, TripSet, delete_topics, fill, first_days
from benchmarks.peers.work import Counts, Work, read_counts

_CHECK_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Bench:
    """What all contenders share: the broker, the trips, their file, and the cache directory."""

    bootstrap: str
    month: TripSet
    file: Path
    dataset: str
    cache: Path


@dataclass(frozen=True, slots=True)
class Command:
    """One run.

    Parameters
    ----------
    argv, environment
        What is started.
    trips
        The number of trips that it counts.
    wrong
        Says after a run what is wrong with its result; empty if it is exact.
    clean
        Removes what a run has left on the broker.
    """

    argv: list[str]
    environment: dict[str, str]
    trips: int
    wrong: Callable[[], str]
    clean: Callable[[], None]


class Contender(Protocol):
    """Something that does the work.

    `name` is for the command line, `label` for people; `guide` is what its set-up follows.
    """

    @property
    def name(self) -> str:
        """Its name on the command line."""

    @property
    def label(self) -> str:
        """Its name for people."""

    def prepare(self, bench: Bench) -> None:
        """Install what it needs and put its trips on the topic. Raises UnavailableError."""

    def command(self, bench: Bench, scratch: Path) -> Command:
        """Return how to run it once, with an empty directory whose name no other run has."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A module of `benchmarks.peers.contenders` that counts a topic.

    Parameters
    ----------
    environment
        Its file of requirements; None for rushhour's own environment.
    ticks
        Whether it reads the topic with rushhour's ticks.
    most_trips
        Give it only the first days that have this number of trips; None for the whole month.
    jars
        Whether it needs Spark's Kafka connector.
    """

    name: str
    text: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: str | None = None
    ticks: bool = False
    most_trips: int | None = None
    jars: bool = False

    @property
    def label(self) -> str:
        """Its text, with the versions of its packages put in."""
        if self.environment is None:
            return self.text
        file = Path(__file__).parent / "requirements" / f"{self.environment}.txt"
        pins = (line.split(";")[0].split("==") for line in file.read_text().splitlines())
        return self.text.format_map({name: version.strip() for name, version in pins})

    def prepare(self, bench: Bench) -> None:
        """Make its environment and fill its topic."""
        if self.environment is not None:
            interpreter(bench.cache, self.environment)
        if self.jars:
            spark_jars(bench.cache)
        self._topic(bench)

    def command(self, bench: Bench, scratch: Path) -> Command:
        """Count once."""
        trips = self._trips(bench)
        topic = self._topic(bench)
        result = scratch / "counts.csv"
        state = scratch / "state"
        state.mkdir()
        work = Work(
            scratch.name,
            bench.bootstrap,
            topic.name,
            topic.messages,
            trips.start_ts,
            trips.end_ts,
            str(result),
            str(state),
        )
        environment = dict(os.environ) | work.environment()
        python = Path(sys.executable)
        if self.environment is not None:
            python = interpreter(bench.cache, self.environment)
            environment |= {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
        if self.jars:
            jars = sorted(map(str, spark_jars(bench.cache).absolute().glob("*.jar")))
            environment |= {"BENCH_JARS": ",".join(jars)}
        module = f"benchmarks.peers.contenders.{self.module}"
        argv = [str(python.absolute()), "-m", module, *self.arguments]

        def wrong() -> str:
            return difference(result, trips.truth)

        def clean() -> None:
            delete_topics(bench.bootstrap, scratch.name)

        return Command(argv, environment, trips.trips, wrong, clean)

    def _trips(self, bench: Bench) -> TripSet:
        return first_days(bench.month, self.most_trips or bench.month.trips)

    def _topic(self, bench: Bench) -> Topic:
        return fill(bench.bootstrap, self._trips(bench), ticks=self.ticks)


@dataclass(frozen=True, slots=True)
class WholePipeline:
    """`rushhour up`: produce, count, forecast, score, write Redis; all checked by `verify`."""

    name: str
    label: str
    embedded: bool

    def prepare(self, bench: Bench) -> None:
        """Nothing: it is what is installed here, and it brings its own trips."""

    def command(self, bench: Bench, scratch: Path) -> Command:
        """Replay the month once."""
        rushhour = str(Path(sys.executable).with_name("rushhour"))
        state = ["--state-dir", str(scratch / "state")]
        prefix = f"{scratch.name}."
        kafka = ["--kafka", bench.bootstrap, "--topic-prefix", prefix]
        data = ["--data", str(bench.file), "--dataset", bench.dataset]
        run = ["--json", "--quiet", "--exit", "--speed", "max"]
        argv = [rushhour, "up", *run, *data, *state, *([] if self.embedded else kafka)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RUSHHOUR_")}

        def wrong() -> str:
            verify = [rushhour, "verify", *state]
            done = subprocess.run(
                verify,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_CHECK_LIMIT_S,
                check=False,
            )
            if not done.returncode:
                return ""
            lines = (done.stdout + done.stderr).strip().splitlines()
            return next((line for line in lines if not line.startswith("ok")), "verify failed")

        def clean() -> None:
            if not self.embedded:
                delete_topics(bench.bootstrap, prefix)

        return Command(argv, environment, bench.month.trips, wrong, clean)


def difference(result: Path, truth: Counts) -> str:
    """Return how the counts in a file differ from the true ones; empty if they do not."""
    try:
        with result.open(newline="") as file:
            counts = read_counts(file)
    except (OSError, ValueError) as error:
        return f"no counts: {error}"
    if counts == truth:
        return ""
    wrong = sum(counts.get(place, 0) != trips for place, trips in truth.items())
    extra = len(counts.keys() - truth.keys())
    total = sum(counts.values()) - sum(truth.values())
    return f"{wrong:,} of {len(truth):,} counts differ, {extra:,} too many; {total:+,} trips"


CONTENDERS: tuple[Contender, ...] = (
    Counter(
        "by-hand",
        "by hand: confluent-kafka {confluent-kafka}, msgspec, numpy",
        "by_hand",
        environment="by-hand",
    ),
    Counter(
        "rushhour-count", "**rushhour**: source, counter, joiner", "rushhour_dataflow", ticks=True
    ),
    Counter(
        "rushhour-forecast",
        "**rushhour**: the same and forecasts",
        "rushhour_dataflow",
        ("--forecast",),
        ticks=True,
    ),
    WholePipeline("rushhour-up", "**rushhour**, whole pipeline, this Kafka", embedded=False),
    WholePipeline(
        "rushhour-embedded", "**rushhour**, whole pipeline, embedded broker", embedded=True
    ),
    Counter(
        "spark",
        "PySpark {pyspark}, Structured Streaming",
        "spark_windows",
        environment="spark",
        jars=True,
    ),
    Counter(
        "bytewax",
        "Bytewax {bytewax}, its connector and windows",
        "bytewax_windows",
        environment="bytewax",
    ),
    Counter("pathway", "Pathway {pathway}, static mode", "pathway_windows", environment="pathway"),
    Counter("quix", "Quix Streams {quixstreams}, RocksDB", "quix_windows", environment="quix"),
    Counter(
        "faust",
        "faust-streaming {faust-streaming}, in memory",
        "faust_table",
        environment="faust",
        most_trips=100_000,
    ),
)
