"""No secret gets into a log: not by a message, an argument, a field, an exception, or the one that it came from."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
import traceback
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.api.http.tokens import PREFIX
from statek.logs import redaction
from statek.logs.configuring import LogOptions, Logs
from statek.logs.redaction import MASK, Redaction, hide, redacted
from statek.settings import SettingsRefused, load_settings

SECRET = 'correct horse "battery" staple/ü\n+'
"""One that no pattern finds."""
KEYS = {
    "of a provider": "sk-proj-0123456789abcdefABCDEF",
    "of another": "sk-svcacct-abcdefghijklmnop",
    "of a code host": "ghp_0123456789abcdefghijABCDEFGHIJ",
    "of a cloud": "AKIA0123456789ABCDEF",
    "of our own": f"the token {PREFIX}abcdefghijklmnopqrstuvwxyz0123456789",
    "token of three parts": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "bearer": "Bearer abcdef0123",
    "header": "Authorization: Token abcdef",
    "headers of a request": str({"Authorization": "Bearer short", "Accept": "*/*"}),
    "headers as bytes": str([(b"authorization", b"Bearer 0123456789")]),
    "basic": f"Proxy-Authorization: Basic {b64encode(b'me:pass').decode()}",
    "in an address": "postgresql://me:hunter22@db.example/x",
    "in a query": "https://host/v1?api_key=abcdef12&x=1",
    "in an environment": "OPENAI_API_KEY=0123456789",
    "in JSON": '{"client_secret": "abcdefgh", "password": "hunter22"}',
    "private": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIB\nAAK\n-----END RSA PRIVATE KEY-----",
}
HIDDEN = {
    "of a provider": "0123456789abcdefABCDEF",
    "of another": "abcdefghijklmnop",
    "of a code host": "0123456789abcdefghij",
    "of a cloud": "0123456789ABCDEF",
    "of our own": "abcdefghijklmnopqrstuvwxyz0123456789",
    "token of three parts": "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
    "bearer": "abcdef0123",
    "header": "abcdef",
    "headers of a request": "short",
    "headers as bytes": "0123456789",
    "basic": b64encode(b"me:pass").decode(),
    "in an address": "hunter22",
    "in a query": "abcdef12",
    "in an environment": "0123456789",
    "in JSON": "hunter22",
    "private": "MIIEpAIB",
}


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_KNOWN", redaction._Known())


class Log:
    """A logger with the handlers of a scheduler on real files, and all that is in them."""

    def __init__(self, directory: Path, format_: str) -> None:
        self.logger = logging.Logger("test")
        self._directory = directory
        self.logs = Logs(LogOptions("DEBUG", format_, directory), self.logger)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        files = sorted(self._directory.iterdir())
        assert len(files) >= 1
        return "".join(path.read_text() for path in files)


@pytest.fixture(params=["human", "json"])
def log(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Log]:
    made = Log(tmp_path / "logs", request.param)
    with made.logs:
        yield made


class Holder:
    """An application's object whose text holds a secret."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"<Holder of {self.secret!r}>"


def fail(secret: str) -> None:
    """Raise an error that came from another, each with the secret in its text."""
    try:
        raise ValueError(f"inner {secret}", Holder(secret))
    except ValueError as error:
        raise RuntimeError(f"outer {secret}") from error


def log_everywhere(logger: logging.Logger, secret: str) -> None:
    """Bring a secret into every part of a record that a program can fill."""
    logger.warning(f"message {secret}")
    logger.warning("argument %s", secret)
    logger.warning("arguments %(key)r of %(holder)s", {"key": secret, "holder": Holder(secret)})
    logger.warning("list %s", [secret, {"k": secret}])
    logger.warning("field", extra={"job": secret, "agent": "", "holder": Holder(secret), "many": [secret]})
    logger.warning("%s %s", secret)
    logger.warning(Holder(secret))
    try:
        fail(secret)
    except RuntimeError as error:
        logger.exception("exception %s", error)
        logger.warning("handed on", exc_info=error)
    try:
        try:
            fail(secret)
        except RuntimeError:
            raise KeyError(secret) from None
    except KeyError:
        logger.exception("context")
    try:
        raise ExceptionGroup(f"group {secret}", [ValueError(secret), ExceptionGroup("g", [TypeError(secret)])])
    except ExceptionGroup:
        logger.exception("group")
    logger.warning("stack", stack_info=True)


def forms(secret: str) -> set[str]:
    """What a secret looks like where text carries it."""
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")}


def test_a_known_secret_gets_into_no_file_from_any_part_of_a_record(log: Log) -> None:
    hide(SECRET)
    log_everywhere(log.logger, SECRET)
    log_everywhere(log.logger, quote(SECRET, safe=""))
    text = log.text
    assert text.count("outer") >= 4
    assert text.count(MASK) > 30
    for form in forms(SECRET):
        assert form not in text
    assert "battery" not in text


@pytest.mark.parametrize("kind", KEYS)
def test_what_looks_like_a_key_gets_into_no_file_though_nobody_told_of_it(log: Log, kind: str) -> None:
    assert HIDDEN[kind] in KEYS[kind]
    log_everywhere(log.logger, KEYS[kind])
    assert "outer" in log.text
    assert HIDDEN[kind] not in log.text


def test_the_values_of_secret_settings_are_known_also_when_the_settings_are_refused(log: Log) -> None:
    load_settings(environment={"STATEK_MODEL_API_KEY": "no-pattern-has-this-1"})
    with pytest.raises(SettingsRefused):
        load_settings(environment={"OPENAI_API_KEY": "no-pattern-has-this-2", "STATEK_MAX_TURNS": "x"})
    log.logger.warning("no-pattern-has-this-1 no-pattern-has-this-2")
    assert "no-pattern" not in log.text


def test_the_longer_of_two_secrets_is_masked_as_a_whole() -> None:
    hide("0123456789")
    hide("0123456789abc")
    assert redacted("a 0123456789abc b 0123456789 c") == f"a {MASK} b {MASK} c"


def test_a_short_secret_is_not_looked_for_because_it_would_be_found_in_other_words() -> None:
    hide("none")
    assert redacted("none of it") == "none of it"


@pytest.mark.parametrize(
    "text",
    [
        "asia-southeast1-docker is the region of the bearer",
        "basic understanding of tokens: 500000 input_tokens=1200",
        "job-0835781588b918fb: refused (import.not_offered): line 1: the module 'os' is not offered",
        "tcp://127.0.0.1:7700 http://localhost:8000/v1 ipc:///tmp/store/client.sock",
        "task-0123456789abcdef risk-0123456789abcdef disk-0123456789abcdef",
        "max_token_usage=500000 secrets are masked, the password is not shown",
        "mail me@example.org: 12:30@noon",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "eyJ-" * 100_000,
        "a://" * 100_000,
        "a://b:" * 70_000,
        "sk-" * 130_000,
        "authorization: " * 30_000,
        "password" * 50_000,
        "-----BEGIN A" * 30_000,
        "bearer " * 60_000,
        "x" * 400_000,
    ],
    ids=lambda text: text[:12],
)
def test_text_that_somebody_made_for_the_patterns_takes_no_longer_than_other_text(text: str) -> None:
    began = time.process_time()
    redacted(text)
    half = len(text) // 2
    middle = time.process_time()
    redacted(text[:half])
    ended = time.process_time()
    assert middle - began < 5.0
    assert middle - began < 8 * (ended - middle) + 0.05


@given(st.text(), st.text(), st.text(st.characters(exclude_characters=MASK), min_size=8))
def test_whatever_stands_around_a_known_secret_it_is_found(before: str, after: str, secret: str) -> None:
    hide(secret)
    assert secret not in redacted(before + secret + after)


class _Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError(KEYS["bearer"])

    __repr__ = __str__


def test_a_record_that_cannot_be_written_down_is_told_of_and_fails_nobody(log: Log) -> None:
    log.logger.warning("%s", _Unspeakable())
    log.logger.warning(_Unspeakable())
    log.logger.warning("%d items", "many")
    log.logger.warning("field", extra={"thing": _Unspeakable()})
    try:
        raise _Unspeakable
    except _Unspeakable:
        log.logger.exception("raised")
    assert HIDDEN["bearer"] not in log.text
    assert "%d items (cannot be written with its values: TypeError)" in log.text
    assert "raised" in log.text


def test_a_log_that_cannot_be_written_says_so_once_and_repeats_nothing_of_the_record(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = Log(tmp_path / "logs", "human")
    handler = log.logger.handlers[0]
    with log.logs:
        handler._file.close()  # type: ignore[attr-defined]
        (tmp_path / "logs" / "statek.log").unlink()
        (tmp_path / "logs" / "statek.log").mkdir()
        for _ in range(3):
            try:
                fail(KEYS["bearer"])
            except RuntimeError as error:
                log.logger.exception("lost %s", error)
        (tmp_path / "logs" / "statek.log").rmdir()
        log.logger.warning("found again")
    said = capfd.readouterr().err
    assert said == (
        "statek: the log cannot be written: [Errno 21] Is a directory: "
        f"'{tmp_path}/logs/statek.log'\nstatek: the log is written again; 3 records were lost\n"
    )


def test_an_applications_own_handlers_get_a_record_as_it_was(log: Log) -> None:
    seen: list[logging.LogRecord] = []
    own = logging.Handler()
    own.emit = seen.append  # type: ignore[method-assign]
    log.logger.addHandler(own)
    error = ValueError(KEYS["bearer"])
    log.logger.error("in %s", "it", exc_info=error)
    (record,) = seen
    assert record.exc_info is not None
    assert (record.exc_info[1], record.args, record.exc_text) == (error, ("it",), None)
    assert HIDDEN["bearer"] not in log.text


def test_an_application_gives_its_own_handlers_the_same_filter() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Redaction())
    logger = logging.Logger("application")
    logger.addHandler(handler)
    try:
        fail(KEYS["of a provider"])
    except RuntimeError:
        logger.exception("in %s", KEYS["of a provider"])
    assert "RuntimeError: outer" in stream.getvalue()
    assert HIDDEN["of a provider"] not in stream.getvalue()


def test_what_nobody_catches_is_told_without_secrets_in_any_thread() -> None:
    program = f"""
import threading
from statek.logs.configuring import redact_uncaught
redact_uncaught()
def fail():
    raise ValueError({KEYS["of a provider"]!r}) from KeyError({KEYS["bearer"]!r})
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count(f"ValueError: {MASK}") == 2
    assert done.stderr.count(f"KeyError: 'Bearer {MASK}'") == 2
    assert not any(key in done.stderr for key in HIDDEN.values())


def test_the_traceback_that_is_written_is_the_one_that_python_would_write() -> None:
    record = logging.makeLogRecord({"msg": "m"})
    try:
        fail("plain")
    except RuntimeError as error:
        record.exc_info = (type(error), error, error.__traceback__)
        expected = "".join(traceback.format_exception(error)).removesuffix("\n")
    Redaction().filter(record)
    assert record.exc_text == expected
