"""Log files are bounded, are their owner's, and are named so that nobody can choose what is written where."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.errors import LogsUnusable
from statek.logs.agents import JOBS, agent_of, remember_agent
from statek.logs.configuring import LogOptions, Logs, log_for_command
from statek.logs.files import LogFile, job_file, remove_older
from statek.logs.handlers import OPEN_FILES

HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/b",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "ü" * 100,
    "\ud800",
    "~",
    "%2F",
]


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def logger() -> logging.Logger:
    return logging.Logger("statek.test")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def about(job: str, agent: str = "") -> dict[str, str]:
    return {"job": job, "agent": agent}


# what a line looks like


def test_a_record_of_a_json_log_is_one_line_with_fixed_fields_whatever_is_in_it(
    logger: logging.Logger, directory: Path
) -> None:
    with Logs(LogOptions(format="json", directory=directory), logger):
        extra = {"job": "job-1\n", "agent": "ü", "batch": 3, "cost": float("nan"), "level": "forged", "nothing": None}
        try:
            raise ValueError("boom\n{}")
        except ValueError:
            logger.exception("said %s", "x\nWARNING forged \x1b[2J", extra=extra)
    (line,) = (directory / "statek.log").read_bytes().splitlines()
    assert line.isascii()
    told = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", told.pop("time"))
    exception = told.pop("exception")
    assert exception.startswith("Traceback")
    assert exception.endswith("ValueError: boom\n{}")
    assert told == {
        "level": "ERROR",
        "logger": "statek.test",
        "event": "said x\nWARNING forged \x1b[2J",
        "job": "job-1\n",
        "agent": "ü",
        "batch": 3,
        "cost": "nan",
    }


def test_a_line_for_people_escapes_what_somebody_chose_and_sets_a_traceback_off(
    logger: logging.Logger, directory: Path
) -> None:
    with Logs(LogOptions(directory=directory), logger):
        try:
            raise ValueError("boom\nWARNING forged \x1b[2J")
        except ValueError:
            logger.exception("said %s", "x\nforged", extra={"job": "a b\n", "agent": "", "batch": 3})
    first, *rest = (directory / "statek.log").read_text().splitlines()
    assert first.endswith('ERROR statek.test: said x\\nforged job="a b\\n" batch=3')
    assert all(line.startswith("  | ") for line in rest)
    assert rest[-1] == "  | WARNING forged \\x1b[2J"


def test_what_is_too_long_is_cut_and_counted(logger: logging.Logger, directory: Path) -> None:
    def deep(left: int) -> None:
        if left:
            eval("deep(left - 1)", {"deep": deep, "left": left})
        else:
            raise ValueError("at the bottom")

    with Logs(LogOptions(format="json", directory=directory), logger):
        try:
            deep(300)
        except ValueError:
            logger.exception("x" * 50_000, extra={"job": "y" * 50_000})
    told = json.loads((directory / "statek.log").read_text())
    assert told["event"].endswith("… (50000 characters)")
    assert told["job"].endswith("… (50000 characters)")
    assert told["exception"].startswith("... ")
    assert told["exception"].endswith("ValueError: at the bottom")
    assert len(told["exception"].splitlines()) == 201


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_levels_have_a_colour_on_a_terminal_and_only_there(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], coloured: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    for stream, expected in ((Terminal(), coloured), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with Logs(LogOptions(), logger):
            logger.warning("WARNING \x1b[31m")
        assert ("\x1b[33mWARNING\x1b[0m statek.test: WARNING \\x1b[31m" in stream.getvalue()) is expected


def test_records_below_the_level_are_not_written_and_the_logger_is_left_as_it_was(
    logger: logging.Logger, directory: Path
) -> None:
    before = logger.level
    with Logs(LogOptions(level="ERROR", directory=directory), logger):
        logger.warning("less")
        logger.error("more")
    assert (directory / "statek.log").read_text().count("\n") == 1
    assert (logger.level, logger.handlers) == (before, [])


def test_what_is_said_to_models_is_not_in_the_log_at_any_level(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    before = root.level
    with Logs(LogOptions(level="DEBUG", directory=directory)):
        for name in ("openai._base_client", "httpx", "httpcore.http11"):
            logging.getLogger(name).debug("Request options: the prompt")
            logging.getLogger(name).warning("slow")
        logging.getLogger("statek.test").debug("ours")
    text = (directory / "statek.log").read_text()
    assert (text.count("slow"), text.count("ours"), text.count("prompt")) == (3, 1, 0)
    assert (root.level, logging.getLogger("httpx").level) == (before, logging.NOTSET)


def test_an_application_that_logs_itself_gets_no_second_line_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("statek.test")
    monkeypatch.setattr(logging.getLogger(), "handlers", [own])
    with Logs(LogOptions(level="INFO"), logger):
        logger.info("once")
    assert capsys.readouterr().err == "once\n"
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with Logs(LogOptions(level="INFO"), logger):
        logger.info("ours")
    assert capsys.readouterr().err.endswith("INFO statek.test: ours\n")


def test_a_command_says_what_is_wrong_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        log_for_command()
        log_for_command()
        logging.getLogger("statek.test").info("going well")
        logging.getLogger("statek.test").warning("going wrong")
    finally:
        for handler in set(root.handlers) - set(before):
            root.removeHandler(handler)
        root.setLevel(level)
    assert capsys.readouterr().err == "going wrong\n"


# which file


def test_the_records_of_a_job_are_in_its_file_and_in_the_schedulers(logger: logging.Logger, directory: Path) -> None:
    with Logs(LogOptions(format="json", directory=directory), logger):
        logger.warning("one", extra=about("job-1", "my_agent"))
        logger.warning("two", extra=about("job-2"))
        logger.warning("nobody's")
        logger.warning("of a job of which nothing is known", extra={"job": "job-4"})
        remember_agent("job-1", "my_agent")
        logger.warning("three", extra={"job": "job-1"})
    assert {path.name for path in directory.iterdir()} == {"statek.log", "my_agent_job-1.log", "_job-2.log"}
    assert (directory / "statek.log").read_text().count("\n") == 5
    own = (directory / "my_agent_job-1.log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in own] == ["one", "three"]


def test_only_so_many_jobs_are_remembered_and_those_of_late() -> None:
    for number in range(JOBS + 1):
        remember_agent(f"remembered-{number}", "agent")
    assert agent_of("remembered-0") is None
    assert agent_of("remembered-1") == agent_of(f"remembered-{JOBS}") == "agent"


@given(st.lists(st.tuples(st.text(max_size=150), st.text(max_size=150)), unique=True))
def test_no_two_jobs_have_the_same_file_and_no_name_is_a_path(jobs: list[tuple[str, str]]) -> None:
    names = [job_file(agent, job) for agent, job in jobs]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9._~%-]+", name)
        assert len(f"{name}.1") <= 255
        assert name.endswith(".log")
        assert "_" in name


def test_a_hostile_name_stays_in_the_directory(logger: logging.Logger, directory: Path) -> None:
    pairs = list(product(HOSTILE, HOSTILE))
    with Logs(LogOptions(directory=directory), logger):
        for agent, job in pairs:
            logger.warning("x", extra=about(job, agent))
    expected = {job_file(agent, job) for agent, job in pairs} | {"statek.log"}
    assert len(expected) == len(pairs) + 1
    assert {path.name for path in directory.iterdir()} == expected
    assert [path.name for path in directory.parent.iterdir()] == ["logs"]


def test_names_that_differ_only_where_the_two_parts_meet_have_different_files() -> None:
    assert job_file("a_b", "c") == "a_b_c.log"
    assert job_file("a", "b_c") == "a_b%5Fc.log"
    assert job_file("", "statek") == "_statek.log"
    assert job_file("x" * 100, "j") != job_file("x" * 101, "j")


def test_only_so_many_files_of_jobs_are_open_and_none_loses_a_line(logger: logging.Logger, directory: Path) -> None:
    jobs = [f"job-{number}" for number in range(OPEN_FILES + 10)]
    with Logs(LogOptions(directory=directory), logger):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(2):
            for job in jobs:
                logger.warning("line", extra=about(job))
        assert len(os.listdir("/proc/self/fd")) - before == OPEN_FILES
    assert all((directory / job_file("", job)).read_text().count("\n") == 2 for job in jobs)


def test_everything_is_its_owners_alone(logger: logging.Logger, directory: Path) -> None:
    before = os.umask(0)
    try:
        with Logs(LogOptions(directory=directory), logger):
            logger.warning("x", extra=about("job-1"))
    finally:
        os.umask(before)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


# how long


def test_a_full_file_becomes_an_earlier_one_and_only_so_many_are_kept(directory: Path) -> None:
    directory.mkdir()
    file = LogFile(directory / "a.log", 10, kept=2)
    for number in range(9):
        file.write(f"l{number}\n")
    file.close()
    texts = {path.name: path.read_text() for path in directory.iterdir()}
    assert texts == {"a.log": "l6\nl7\nl8\n", "a.log.1": "l3\nl4\nl5\n", "a.log.2": "l0\nl1\nl2\n"}


def test_where_none_is_kept_a_full_file_is_begun_anew(directory: Path) -> None:
    directory.mkdir()
    file = LogFile(directory / "a.log", 4, kept=0)
    for number in range(3):
        file.write(f"l{number}\n")
    file.close()
    assert [path.read_text() for path in directory.iterdir()] == ["l2\n"]


def test_a_file_is_gone_on_with_and_its_length_counts(directory: Path) -> None:
    directory.mkdir()
    for number in range(3):
        file = LogFile(directory / "a.log", 6, kept=1)
        file.write(f"l{number}\n")
        file.close()
    assert {path.name: path.read_text() for path in directory.iterdir()} == {"a.log": "l2\n", "a.log.1": "l0\nl1\n"}


def test_a_line_longer_than_a_file_may_be_is_written_all_the_same(directory: Path) -> None:
    directory.mkdir()
    file = LogFile(directory / "a.log", 4, kept=1)
    file.write("longer than that\n")
    file.write("x\n")
    file.close()
    assert (directory / "a.log.1").read_text() == "longer than that\n"


def test_a_line_that_was_written_in_part_does_not_spoil_the_next_one(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir()
    file = LogFile(directory / "a.log", 1_000, kept=1)
    really_write = os.write

    def full_disk(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", no_space)
        return really_write(descriptor, data[:3])

    def no_space(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", really_write)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        file.write("broken\n")
    file.write("whole\n")
    file.close()
    assert (directory / "a.log").read_text() == "bro\nwhole\n"


def test_files_of_jobs_are_deleted_when_they_are_old_and_no_others(directory: Path) -> None:
    directory.mkdir()
    old = ["_job-1.log", "a_job-2.log.1", "statek.log", "statek.log.1", "notes_of_mine.txt"]
    for name in [*old, "_job-3.log"]:
        (directory / name).touch()
    for name in old:
        os.utime(directory / name, (0, 0))
    remove_older(directory, 1)
    left = {"statek.log", "statek.log.1", "notes_of_mine.txt", "_job-3.log"}
    assert {path.name for path in directory.iterdir()} == left


def test_old_files_of_jobs_go_when_the_log_is_begun(logger: logging.Logger, directory: Path) -> None:
    directory.mkdir(mode=0o700)
    (directory / "_job-1.log").touch()
    os.utime(directory / "_job-1.log", (0, 0))
    with Logs(LogOptions(directory=directory, retain_days=1), logger):
        logger.warning("x", extra=about("job-2"))
        for thread in threading.enumerate():
            if thread.name == "old job logs":
                thread.join(20)
    assert {path.name for path in directory.iterdir()} == {"statek.log", "_job-2.log"}


def test_a_directory_is_the_same_wherever_the_process_goes(
    logger: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Logs(LogOptions(directory=Path("logs")), logger):
        monkeypatch.chdir("/")
        logger.warning("x", extra=about("job-1"))
    assert (tmp_path / "logs" / "_job-1.log").exists()


def test_a_file_that_was_moved_or_deleted_is_begun_anew(directory: Path) -> None:
    directory.mkdir()
    path = directory / "a.log"
    file = LogFile(path, 1_000, kept=1)
    file.write("one\n")
    path.rename(directory / "moved")
    file.write("two\n")
    assert path.read_text() == "two\n"
    path.unlink()
    file.write("three\n")
    file.close()
    assert path.read_text() == "three\n"


# what is refused


def test_a_second_scheduler_does_not_write_into_the_directory_of_the_first(directory: Path) -> None:
    options = LogOptions(directory=directory)
    with Logs(options, logging.Logger("first")), pytest.raises(LogsUnusable, match="another scheduler"):
        Logs(options, logging.Logger("second"))
    Logs(options, logging.Logger("third")).close()


def _a_file(path: Path) -> None:
    path.write_text("")


def _written_by_others(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def _of_another_user(path: Path) -> None:
    path.mkdir()
    os.chown(path, 65534, 65534)


def _with_a_link(path: Path) -> None:
    path.mkdir()
    (path / "statek.log").symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_a_file, "File exists"),
        (_written_by_others, "other users can write there: chmod go-w"),
        pytest.param(
            _of_another_user,
            "belongs to another user",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away"),
        ),
        (_with_a_link, "Too many levels of symbolic links"),
    ],
)
def test_a_directory_that_is_not_safely_ours_is_refused(directory: Path, make: object, reason: str) -> None:
    assert callable(make)
    make(directory)
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(LogsUnusable, match=reason):
        Logs(LogOptions(directory=directory), logging.Logger("test"))
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert not (directory.parent / "elsewhere").exists()
