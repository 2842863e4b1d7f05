"""An object with all that it holds, as plain JSON and arrays, and back.

Unlike a pickle, what is read back can only be objects of classes that the reader allows, filled
with data: nothing is imported, and no code of the file or of these classes is run.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

Node = dict[str, Any]

_PLAIN = (type(None), bool, int, float, str)
_ARRAY, _SCALAR, _CLASS = "array", "scalar", "class"
_SEQUENCES: dict[str, type[Any]] = {"list": list, "tuple": tuple}
_DICT, _DEQUE = "dict", "deque"


class Graph(NamedTuple):
    """An object as nodes, of which the first is the object itself, and the arrays in them.

    A node holds values: plain ones of JSON (with `Infinity` and `NaN`), or `{"node": number}`.
    Objects that are held in two places are one node.
    """

    nodes: list[Node]
    arrays: dict[str, np.ndarray[Any, Any]]


class Part(NamedTuple):
    """A value in an object, and what holds it, such as `Mixture._losses`, or `[]` of that."""

    owner: str
    value: Any


def class_name(kind: type) -> str:
    """Return the full name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def attributes_of(value: object) -> dict[str, Any] | None:
    """Return the attributes of an object; None if it does not hold them in Python."""
    if hasattr(value, "__dict__"):
        return dict(vars(value))
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(value, name) for name in names} if names else None


def parts(root: object) -> Iterator[Part]:
    """Yield an object and every value in it, each object once."""
    seen: dict[int, Any] = {}
    waiting = [Part("", root)]
    while waiting:
        part = waiting.pop()
        yield part
        owner, value = part
        if isinstance(value, (*_PLAIN, np.generic, np.ndarray)) or id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, list | tuple | deque):
            waiting += [Part(f"{owner}[]", item) for item in value]
        elif isinstance(value, dict):
            waiting += [Part(f"{owner}[]", item) for item in value.values()]
        else:
            name = type(value).__name__
            held = attributes_of(value) or {}
            waiting += [Part(f"{name}.{attribute}", item) for attribute, item in held.items()]


def flatten(root: object) -> Graph:
    """Return an object as a graph.

    Raises
    ------
    TypeError
        If it holds something that is neither data nor an object of a Python class.
    """
    writer = _Writer()
    writer.add("", root)
    return Graph(writer.nodes, writer.arrays)


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self._numbers: dict[int, int] = {}

    def add(self, owner: str, value: Any) -> Any:
        """Return a value as nodes hold it."""
        if type(value) in _PLAIN:
            return value
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.nodes)
            self.nodes.append({})
            self.nodes[number] = self._node(owner, number, value)
        return {"node": number}

    def _node(self, owner: str, number: int, value: Any) -> Node:
        if isinstance(value, np.ndarray | np.generic):
            name = f"{owner}.{number}"
            self.arrays[name] = np.asarray(value)
            return {_ARRAY if isinstance(value, np.ndarray) else _SCALAR: name}
        inner = f"{owner}[]"
        for name, kind in _SEQUENCES.items():
            if type(value) is kind:
                return {name: [self.add(inner, item) for item in value]}
        if type(value) is deque:
            return {_DEQUE: [self.add(inner, item) for item in value], "maxlen": value.maxlen}
        if type(value) is dict:
            return {_DICT: [[self.add(inner, k), self.add(inner, v)] for k, v in value.items()]}
        attributes = attributes_of(value)
        if attributes is None:
            raise TypeError(f"{owner} holds a {class_name(type(value))}")
        name = type(value).__name__
        filled = {key: self.add(f"{name}.{key}", item) for key, item in attributes.items()}
        return {_CLASS: class_name(type(value)), "attributes": filled}


def build(graph: Graph, classes: Mapping[str, type]) -> Any:
    """Return the object of a graph.

    Parameters
    ----------
    classes
        The classes that its objects may have, by their full names.

    Raises
    ------
    Exception
        Any, if it is not a graph that `flatten` has made.
    """
    return _Reader(graph, classes).value({"node": 0})


class _Reader:
    def __init__(self, graph: Graph, classes: Mapping[str, type]) -> None:
        self._graph = graph
        self._classes = classes
        self._built: dict[int, Any] = {}

    def value(self, value: Any) -> Any:
        """Return a value that nodes hold."""
        if not isinstance(value, dict):
            return value
        number = value["node"]
        if number not in self._built:
            self._built[number] = self._object(number, self._graph.nodes[number])
        return self._built[number]

    def _object(self, number: int, node: Node) -> Any:
        if _CLASS in node:
            built: Any = object.__new__(self._classes[node[_CLASS]])
            self._built[number] = built  # before what may refer to it
            for name, value in node["attributes"].items():
                object.__setattr__(built, name, self.value(value))
            return built
        if _ARRAY in node:
            return self._graph.arrays[node[_ARRAY]]
        if _SCALAR in node:
            return self._graph.arrays[node[_SCALAR]][()]
        return self._container(node)

    def _container(self, node: Node) -> Any:
        if _DEQUE in node:
            return deque(map(self.value, node[_DEQUE]), node["maxlen"])
        if _DICT in node:
            return {self.value(key): self.value(value) for key, value in node[_DICT]}
        kind = next(kind for name, kind in _SEQUENCES.items() if name in node)
        return kind(map(self.value, node[kind.__name__]))
