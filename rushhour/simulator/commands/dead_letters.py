"""`rushhour dead-letters`: show the records that the processes of a run have rejected."""

from rushhour.core.errors import UsageError
from rushhour.core.settings import Settings
from rushhour.core.topics import DEAD_LETTERS
from rushhour.runtime.dead_letters import read_dead_letters
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.dead_letters import dead_letter_document
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.stack.run_kafka import kafka_of
from rushhour.simulator.terminal.dead_letters import dead_letters_screen
from rushhour.storage.runs import load_offsets, load_run


def show_dead_letters(settings: Settings, output: Output, limit: int) -> None:
    """Print the latest rejected records, the newest first.

    Raises
    ------
    UsageError
        If it is not known where the Kafka of the run is.
    KafkaFailure
        If it does not answer.
    """
    with open_run(settings) as opened:
        run = load_run(opened.client)
        start = load_offsets(opened.client, DEAD_LETTERS)
        cluster = kafka_of(settings, opened)
    if cluster is None:
        raise UsageError(
            "rejected records are on Kafka: name the Kafka of the run with --kafka; the embedded "
            "one has ended with its run"
        )
    found = read_dead_letters(cluster, start, run.run_id)
    newest = found[::-1][:limit]
    if output.as_json:
        output.documents(map(dead_letter_document, newest))
    else:
        output.show(dead_letters_screen(run, newest, len(found)))
