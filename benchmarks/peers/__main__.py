"""Measure rushhour and other stream processors on the same work: `make bench`.

    python -m benchmarks.peers [--runs 3] [--only NAME ...] [--dataset yellow] [--kafka HOST:PORT]
    python -m benchmarks.peers --from RESULTS

Counts the rides per zone and hour of a month from a Kafka topic, with each contender in turn, and
checks the counts. Results are saved after each run: started again, it does what is missing.
"""

import argparse
import fcntl
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka as ck
import msgspec

from benchmarks.peers.broker import NoBrokerError, broker
from benchmarks.peers.plot import draw
from benchmarks.peers.registry import CONTENDERS, Bench
from benchmarks.peers.results import Results, about, load
from benchmarks.peers.runner import Plan, measure_all, prepare
from benchmarks.peers.table import table
from benchmarks.peers.topic import read_month
from producers.month.datasets import file_name
from rushhour.core.errors import RushhourError
from rushhour.core.settings import Settings

_MONTH = "2024-10"
_NAMES = [contender.name for contender in CONTENDERS]


def main() -> None:
    """Measure, or draw what was measured."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # stops Kafka, too
    cache: Path = options.cache
    file: Path = options.results or cache / f"results-{options.dataset}.json"
    try:
        results = load(options.drawn_from) if options.drawn_from else _measure(options, file)
    except (NoBrokerError, RushhourError, ck.KafkaException, OSError, msgspec.DecodeError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(f"bench: stopped; start it again to go on ({file})")
    text = table(results)
    stem = options.drawn_from or file
    stem.with_suffix(".md").write_text(text + "\n", "utf-8")
    draw(results, stem.with_suffix(".svg"))
    print(text)
    _say(f"wrote {stem.with_suffix('.md')} and {stem.with_suffix('.svg')}")


def _measure(options: argparse.Namespace, file: Path) -> Results:
    cache: Path = options.cache
    cache.mkdir(parents=True, exist_ok=True)
    trip_file = _trip_file(options)
    month = read_month(trip_file, options.dataset, _MONTH)
    contenders = [each for each in CONTENDERS if each.name in (options.only or _NAMES)]
    kafka = options.kafka or "Apache Kafka as a process of this machine"
    now = about(options.dataset, _MONTH, month.trips, kafka)
    results = load(file) if file.exists() else Results(about=now)
    if results.about != now:
        raise RushhourError(f"{file} is of {results.about}, this is {now}: use another --results")
    plan = Plan(options.runs, options.limit, file, cache / "logs", _say)
    with _alone(cache), broker(options.kafka, cache) as kafka_broker:
        bench = Bench(kafka_broker.bootstrap, month, trip_file, options.dataset, cache)
        prepare(contenders, bench, results, plan)
        results.save(file)
        measure_all(contenders, bench, kafka_broker, results, plan)
    return results


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Hold the cache: two benchmarks would stop each other's Kafka, and disturb each other."""
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RushhourError(f"another benchmark is under way in {cache}") from None
        yield


def _trip_file(options: argparse.Namespace) -> Path:
    """Return the file of the month: from --data-dir or where `rushhour download` puts it."""
    settings = Settings.load()
    name = file_name(options.dataset, _MONTH)
    for directory in (options.data_dir, settings.data_dir, settings.cache_dir):
        if directory is not None and (directory / name).is_file():
            return (directory / name).absolute()
    raise RushhourError(f"no {name} here: run `rushhour download`, or name its --data-dir")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--runs", type=int, default=3, help="rounds in which each contender runs once")
    add("--only", nargs="+", choices=_NAMES, metavar="NAME", help="of " + ", ".join(_NAMES))
    add("--dataset", choices=("green", "yellow"), default="yellow")
    add("--data-dir", type=Path, help="directory of the trip file")
    add("--kafka", metavar="HOST:PORT", help="a Kafka, instead of one started here")
    add(
        "--limit",
        type=float,
        default=900.0,
        metavar="S",
        help="seconds after which to kill a run",
    )
    add("--cache", type=Path, default=Path(".bench"), help="environments, Kafka's data, results")
    add("--results", type=Path, help="file of results (default: in the cache)")
    add("--from", type=Path, dest="drawn_from", metavar="RESULTS", help="draw a file of results")
    return parser


if __name__ == "__main__":
    main()
