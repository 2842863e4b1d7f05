"""The Kafka cluster of a run: where it is, how to connect, and the names of topics on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    """

    bootstrap: str
    conf: Mapping[str, str] = field(default_factory=dict, repr=False)
    topic_prefix: str = ""

    def topic(self, name: str) -> str:
        """Return the name of one of our topics on the cluster.

        >>> KafkaCluster("kafka:9092", topic_prefix="ada.").topic("trips")
        'ada.trips'
        """
        return self.topic_prefix + name

    def __str__(self) -> str:
        return self.bootstrap
