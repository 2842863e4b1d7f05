"""The image installs what is pinned by hashes, and runs as a user without rights."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def installs() -> list[str]:
    """Return the calls of pip that get packages."""
    lines = DOCKERFILE.replace("\\\n", " ")
    return re.findall(r"pip --python \S+ (?:install|wheel) [^&\n]*", lines)


def test_every_package_comes_from_a_lock_file_with_hashes() -> None:
    from_locks = [call for call in installs() if "--require-hashes" in call]
    locks = {call.split("-r ")[1].strip() for call in from_locks}
    assert locks == {"requirements.lock", "requirements-build.lock"}
    assert all("--no-index" in call for call in installs() if call not in from_locks)


def test_the_build_backend_is_pinned() -> None:
    wanted = PROJECT["build-system"]["requires"]
    assert PROJECT["dependency-groups"]["build"] == wanted
    lock = (ROOT / "requirements-build.lock").read_text("utf-8")
    for requirement in wanted:
        name = re.split(r"[<>=~]", requirement)[0]
        assert re.search(rf"^{name}==\S+ \\\n +--hash=sha256:", lock, re.M)


def test_it_runs_as_a_user_without_rights() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)$", last_stage, re.M) == ["10001:10001"]


def test_the_stages_have_the_same_base_and_secrets_are_only_mounted() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)) == {"${BASE}"}
    assert not re.search(r"^(?:ARG|ENV) \S*(?:PASSWORD|SECRET|TOKEN|CERT)", DOCKERFILE, re.M)
    assert not re.search(r"^COPY .*(?:\.env|/run/secrets)", DOCKERFILE, re.M)
