"""What honest programs need goes on working behind the wall, and limits speak to them first."""

from __future__ import annotations

import subprocess
import sys

import pytest
from rig import Rig

MIB = 1024 * 1024

PROGRAMS = {
    "json": ("answer = json.loads(json.dumps({'a': [1.5, None, 'ä']}))", {"a": [1.5, None, "ä"]}),
    "regular expressions": ("answer = re.sub(r'(\\w+) (\\w+)', r'\\2 \\1', 'hello world')", "world hello"),
    "decimals": ("answer = str(decimal.Decimal(2).sqrt())", "1.414213562373095048801688724"),
    "dates": ("answer = str(datetime.datetime.strptime('2024-02-29', '%Y-%m-%d').date())", "2024-02-29"),
    "now": ("answer = datetime.datetime.now(datetime.timezone.utc).year > 2020", True),
    "clocks": ("answer = time.monotonic() > 0 and time.process_time() > 0 and time.thread_time() > 0", True),
    "seeded random": ("random.seed(7); answer = random.randrange(10**9) == random.Random(7).randrange(10**9)", True),
    "unseeded random": ("answer = 0 <= random.Random().random() < 1 and len(os.urandom(8)) == 8", True),
    "large memory": ("answer = len(bytearray(100 * 1024 * 1024))", 100 * MIB),
    "growing memory": ("x = bytearray()\nfor _ in range(400): x += bytes(100_000)\nanswer = len(x)", 40_000_000),
    "many small objects": ("x = [[i] for i in range(500_000)]\ndel x\ngc.collect()\nanswer = 1", 1),
    "deep recursion": (
        "def f(): f()\ntry: f()\nexcept RecursionError as e: answer = len(traceback.format_exception(e)) > 3",
        True,
    ),
    "a traceback": (
        "def f(): return 1 / 0\ntry: f()\nexcept ZeroDivisionError: answer = traceback.format_exc().splitlines()[-1]",
        "ZeroDivisionError: division by zero",
    ),
    "large numbers": ("answer = len(str(3 ** 8000))", 3817),
    "sorting": ("answer = sorted(random.Random(1).sample(range(10**6), 10**5))[0] >= 0", True),
    "printing to nowhere": ("print('x'); answer = sys.stdout", None),
    "classes": ("class A:\n    def __init__(self): self.x = 1\nanswer = A().x", 1),
    "giving memory back": (
        "from statek_executor.sharing.image import IMAGE\n"
        "things = {str(i): [i] for i in range(20_000)}\n"
        "for _ in range(3):\n"
        "    IMAGE.give_back()\n"
        "    things |= {str(i): [i] for i in range(0, 40_000, 3)}\n"
        "answer = [IMAGE.length > 2**20, sum(things[name] == [int(name)] for name in things), len(things)]",
        [True, 26_667, 26_667],
    ),
    "encodings": ("answer = 'ä'.encode('latin-1').decode('utf-16-le', 'replace')", "\ufffd"),
    "encodings of other places": ("answer = b'\\xff'.decode('cp1251') + b'\\xba\\xc3'.decode('gbk')", "\u044f\u597d"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_honest_program_runs(guest: Rig, name: str) -> None:
    program, answer = PROGRAMS[name]
    assert guest.run(program) == {"answer": answer}


def test_a_late_import_fails_as_an_import_and_not_as_a_death(guest: Rig) -> None:
    assert guest.run("import xmlrpc.client")["error"] in ("ModuleNotFoundError", "PermissionError")


def test_too_much_memory_is_a_memory_error_that_a_program_survives(guest: Rig) -> None:
    program = "try: bytes(10**10)\nexcept MemoryError: answer = 'still here'"
    assert guest.run(program, memory=64 * MIB) == {"answer": "still here"}


def test_memory_within_the_limit_is_there(guest: Rig) -> None:
    assert guest.run("answer = len(bytes(48 * 1024 * 1024))", memory=64 * MIB) == {"answer": 48 * MIB}


def test_the_soft_cpu_limit_raises_in_the_program(guest: Rig) -> None:
    outcome = guest.run("try:\n    for _ in iter(int, 1): pass\nexcept TimeoutError as e: answer = str(e)", cpu=1)
    assert outcome == {"answer": "the soft limit"}


def test_hashes_are_the_same_in_every_child_and_every_zygote(guest: Rig) -> None:
    """The constant seed of the protocol reaches the children although they have no environment."""
    assert guest.run("answer = [hash('statek'), len(os.environ)]") == {"answer": [_hash_with_seed_zero("statek"), 0]}


def _hash_with_seed_zero(text: str) -> int:
    command = [sys.executable, "-c", f"print(hash({text!r}))"]
    result = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, check=True, text=True)
    return int(result.stdout)
