"""Which Redis URLs are accepted, and that none is printed with its password."""

from pathlib import Path

import pytest

from rushhour.core.errors import UsageError
from rushhour.core.redis_address import RedisAddress
from rushhour.core.redis_url import check_redis_url, mask_password, mask_url

CA = str(Path(__file__))


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://user:secret@host:6379/2",
        "redis://:p%40ss@[::1]:6379?db=3&client_name=me",
        "unix:///run/redis.sock?db=1&password=secret",
        f"rediss://host:6380/0?ssl_ca_certs={CA}&ssl_cert_reqs=none&ssl_check_hostname=false",
        f"rediss://host?ssl_certfile={CA}&ssl_keyfile={CA}&ssl_password=secret",
    ],
)
def test_a_url_that_the_client_can_use_is_kept_as_it_is(url: str) -> None:
    assert check_redis_url(url) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://host", "is not a Redis URL: use redis://HOST:PORT, "),
        ("redis:host", "is not a Redis URL"),
        ("redis://host:port", "is not a Redis URL"),
        ("redis://host:0", "is not a Redis URL"),
        ("redis://host:99999", "is not a Redis URL"),
        ("redis://[::1", "is not a Redis URL"),
        ("redis://host/name", "is invalid: its path is not the number of a database"),
        ("redis://host?db=name", "is invalid: db is not a number"),
        ("unix://", "is invalid: it has no path: use unix://PATH"),
        ("redis://host?decode_responses=no", "is invalid: it has an unknown option: use db, "),
        ("redis://host?ssl_cert_reqs=none", "is invalid: ssl_cert_reqs needs rediss://"),
        ("rediss://host?ssl_cert_reqs=maybe", "is invalid: ssl_cert_reqs is none of required, "),
        ("rediss://host?ssl_ca_certs=/nowhere.pem", "is invalid: ssl_ca_certs: no such file"),
    ],
)
def test_any_other_url_is_a_mistake_in_one_line(url: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_redis_url(url)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret@host:1/2",
        "rediss://user:s3cret@host",
        "redis://user:@s3cret/#s3cret:@host:1",
        "redis://:s3cret?x@host",
        "redis://:my s3cret phrase@host",
        "redis://:s3cret",
        "redis://user:s3cret/0",
        "redis://:s3cret@host:port",
        "redis://:s3cret@host?nothing=1",
        "unix:///run/redis.sock?db=1&password=s3cret",
        "rediss://host?ssl_password=s3cret&db=name",
        "http://user:s3cret@host",
        "user:s3cret@host:6379",
    ],
)
def test_a_password_is_never_printed(url: str) -> None:
    masked = mask_url(url)
    assert "s3cret" not in masked
    assert "***" in masked
    assert mask_url(masked) == masked
    assert "s3cret" not in f"{RedisAddress(url)} {RedisAddress(url)!r}"
    for wrong in (url, url.replace("?", "?db=name&"), f"foo{url}"):
        try:
            check_redis_url(wrong)
        except UsageError as error:
            assert "s3cret" not in f"{error}{error.__cause__}"


@pytest.mark.parametrize("text", ["redis://host:6379", "http://[::1]:9100/a", "a: b@c", "a=1"])
def test_a_text_without_a_password_is_kept(text: str) -> None:
    assert mask_password(text) == text


def test_the_passwords_in_a_text_are_masked() -> None:
    text = "two 'redis://:one@a:1' and \"rediss://u:two@b?ssl_password=three\" of them"
    masked = "two 'redis://:***@a:1' and \"rediss://u:***@b?ssl_password=***\" of them"
    assert mask_password(text) == masked
