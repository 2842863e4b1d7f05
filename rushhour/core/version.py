"""The installed version: a run is finished by the version that started it."""

from importlib.metadata import version

VERSION = version("rushhour")
