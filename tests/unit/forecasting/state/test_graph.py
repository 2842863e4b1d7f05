"""Objects become data and are the same afterwards; nothing else can be read."""

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dataflows.forecasting.state.graph import Graph, build, class_name, flatten
from dataflows.forecasting.state.schema import Schema


class Holder:
    def __init__(self, value: object) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class Slotted:
    value: object


CLASSES = {class_name(kind): kind for kind in (Holder, Slotted)}
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    plain | arrays.arrays(st.sampled_from(["f8", "i8", "u1", "c16", "?"]), arrays.array_shapes()),
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.builds(deque, st.lists(inner), st.none() | st.integers(5, 9)),
        st.dictionaries(st.text() | st.integers(), inner),
        st.builds(Holder, inner),
        st.builds(Slotted, inner),
    ),
    max_leaves=12,
)


def again(value: object) -> Any:
    """Return what is read back of a value."""
    nodes, data = flatten(value)
    return build(Graph(json.loads(json.dumps(nodes)), data), CLASSES)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple | deque):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, Holder | Slotted):
        return same(a.value, b.value)
    return bool(a == b)


@given(values)
def test_what_is_read_back_is_the_same(value: object) -> None:
    assert same(again(Holder(value)).value, value)


def test_the_order_of_an_array_in_memory_is_the_same() -> None:
    """The last digits of a product depend on it."""
    for order in ("C", "F"):
        array = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
        assert again(Holder(array)).value.flags == array.flags


def test_infinity_is_a_number() -> None:
    assert again(Holder([np.inf, -np.inf])).value == [np.inf, -np.inf]


def test_numbers_of_numpy_keep_their_types() -> None:
    found = again(Holder([np.float64(0.1), np.int64(7), 0.1])).value
    assert [type(each) for each in found] == [np.float64, np.int64, float]


def test_what_is_held_twice_or_holds_itself_is_one_object() -> None:
    holder, array = Holder(None), np.zeros(3)
    holder.value = [holder, array, array]
    found = again(holder)
    assert found.value[0] is found
    assert found.value[1] is found.value[2]


def test_only_data_and_objects_of_python_classes_become_a_graph() -> None:
    for value in (object(), {1, 2}, lambda: None, open):
        with pytest.raises(TypeError, match="holds a"):
            flatten(Holder([value]) if not callable(value) else Holder(iter([value])))


@pytest.mark.parametrize("name", ["os._wrap_close", "builtins.object", "subprocess.Popen"])
def test_no_class_is_read_that_is_not_allowed(name: str) -> None:
    nodes = [{"class": name, "attributes": {}}]
    with pytest.raises(KeyError):
        build(Graph(nodes, {}), CLASSES)


# What a state may look like.

SCHEMA = Schema(Holder([Slotted(np.zeros(0)), Slotted(np.zeros((3, 0)))]))


@pytest.mark.parametrize(
    "value",
    [[Slotted(np.ones(7))], [Slotted(np.ones((3, 9)))], [], [Slotted(np.zeros(0))] * 3],
)
def test_what_is_as_in_the_examples_fits(value: object) -> None:
    assert not SCHEMA.fault_of(Holder(value))


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ((Slotted(np.zeros(0)),), "a tuple instead of a list"),
        ([Slotted(np.zeros(0, np.float32))], "an array of float32"),
        ([Slotted(np.ones((4, 0)))], "has the shape (4, 0)"),
        ([Slotted(np.ones((3, 1, 1)))], "3 axes"),
        ([Slotted(1.0)], "a number instead of"),
        ([Holder(1)], "test_graph.Holder instead of"),
        ([Slotted(np.array([1.0, np.nan]))], "Slotted.value is not finite"),
        ([None], "None instead of"),
    ],
)
def test_what_is_not_as_in_the_examples_is_named(value: object, fault: str) -> None:
    assert fault in SCHEMA.fault_of(Holder(value))


def test_other_attributes_do_not_fit() -> None:
    holder = Holder([])
    holder.other = 1  # type: ignore[attr-defined]
    assert "has other attributes" in SCHEMA.fault_of(holder)


def test_what_was_none_may_become_data_but_no_object() -> None:
    schema = Schema(Holder(None), Slotted(1))
    assert not schema.fault_of(Holder(np.ones(3)))
    assert "instead of None" in schema.fault_of(Holder(Slotted(1)))


def test_what_is_infinite_in_an_example_may_be() -> None:
    schema = Schema(Holder(np.inf))
    assert not schema.fault_of(Holder(1.0))
    assert not schema.fault_of(Holder(np.inf))
