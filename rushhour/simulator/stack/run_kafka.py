"""Find the Kafka of a run whose Redis is open."""

from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.settings import Settings
from rushhour.simulator.stack.open_run import OpenRun
from rushhour.simulator.stack.session import Session


def kafka_of(settings: Settings, opened: OpenRun) -> KafkaCluster | None:
    """Return the Kafka of `--kafka`, else that of the live run of this machine.

    None for a saved run, and for the Redis of `--redis` unless a Kafka is given as well.
    """
    if settings.kafka is not None:
        return settings.cluster(settings.kafka)
    session = Session.load(settings.state_dir) if opened.kind == "live" else None
    return None if session is None else settings.cluster(session.kafka)
