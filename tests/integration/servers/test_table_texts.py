"""Tables that are read as one text each, against the hashes themselves."""

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushhour.core.keys import NOT_KNOWN
from rushhour.core.zones import ZONE_IDS
from rushhour.storage.columns import from_hash
from rushhour.storage.read_hours import queue_table
from rushhour.storage.table_texts import from_text, queue_texts

pytestmark = pytest.mark.integration

values = st.floats(allow_nan=False, allow_infinity=False).map(str) | st.just(NOT_KNOWN)
tables = st.dictionaries(st.sampled_from(ZONE_IDS), values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(tables, min_size=1, max_size=3))
def test_texts_are_the_hashes(client: redis.Redis, found: list[dict[int, str]]) -> None:
    client.flushall()
    keys = [f"rides:{i}" for i in range(len(found))]
    for key, table in zip(keys, found, strict=True):
        if table:
            client.hset(key, mapping={str(zone): value for zone, value in table.items()})
    pipe = client.pipeline(transaction=False)
    queue_texts(pipe, keys)
    for key in keys:
        queue_table(pipe, key)
    texts, *hashes = pipe.execute()
    np.testing.assert_array_equal(
        np.array(list(map(from_text, texts))), np.array(list(map(from_hash, hashes)))
    )


def test_a_value_that_is_no_number_is_an_error(client: redis.Redis) -> None:
    """Any client may have written it."""
    client.hset("rides:0", "132", "many")
    pipe = client.pipeline(transaction=False)
    queue_texts(pipe, ["rides:0"])
    (text,) = pipe.execute()[0]
    with pytest.raises(ValueError, match="many"):
        from_text(text)
