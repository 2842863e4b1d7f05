"""The Kafka cluster of a run: where it is, how to connect, and the names of topics on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rushhour.core.errors import UsageError

# Properties that results depend on, or whose values are ours.
_RESERVED = frozenset(
    {
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.report.only.error",
        "delivery.timeout.ms",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "message.timeout.ms",
        "metadata.broker.list",
        "statistics.interval.ms",
        "transactional.id",
    }
)


@dataclass(frozen=True, slots=True)
class KafkaCluster:
    """A Kafka cluster as this run sees it.

    Parameters
    ----------
    bootstrap
        Bootstrap servers, `host:port`, several with commas.
    conf
        Properties of librdkafka for every client, such as `security.protocol`. May hold secrets,
        so it is left out of the representation.
    topic_prefix
        What the names of all topics on the cluster start with.

    Raises
    ------
    UsageError
        If `conf` sets a property that rushhour sets itself.
    """

    bootstrap: str
    conf: Mapping[str, str] = field(default_factory=dict, repr=False)
    topic_prefix: str = ""

    def __post_init__(self) -> None:
        for name in sorted(_RESERVED & self.conf.keys()):
            raise UsageError(f"the property {name} of Kafka is set by rushhour: leave it out")

    def topic(self, name: str) -> str:
        """Return the name of one of our topics on the cluster.

        >>> KafkaCluster("kafka:9092", topic_prefix="ada.").topic("trips")
        'ada.trips'
        """
        return self.topic_prefix + name

    def __str__(self) -> str:
        return self.bootstrap
