"""What the language does not have, each with the sentence that tells a model what to write instead."""

METACLASSES = frozenset({"ABCMeta"})

_NO_ASYNC = ("statement.async", "async and await are not offered; write plain functions, a call waits by itself")

STATEMENTS = {
    "AsyncFunctionDef": _NO_ASYNC,
    "AsyncFor": _NO_ASYNC,
    "AsyncWith": _NO_ASYNC,
    "Await": _NO_ASYNC,
    "TryStar": ("statement.except_star", "except* is not offered; use try with ordinary except clauses"),
}
"""By the name of the syntax node: the rule and the sentence."""

REFUSED_BUILTINS = {
    "__import__": "__import__() is not offered; use an import statement",
    "BaseExceptionGroup": "exception groups are not offered; collect the errors in a list and raise one of your own",
    "ExceptionGroup": "exception groups are not offered; collect the errors in a list and raise one of your own",
    "breakpoint": "breakpoint() is not offered; print() what you want to see",
    "compile": "compile() is not offered; write the code in the batch itself",
    "eval": "eval() is not offered; use json.loads() for data, or write the expression in the batch itself",
    "exec": "exec() is not offered; write the code in the batch itself",
    "globals": "globals() is not offered; use variables by name, or keep a dict of your own",
    "help": "help() is not offered; print() what you want to see",
    "input": "input() is not offered, there is nobody at the console; ask for a value through a tool or a future",
    "locals": "locals() is not offered; use variables by name, or keep a dict of your own",
    "open": "open() is not offered, there are no files; keep data in variables, io.StringIO or io.BytesIO",
}
"""Built-ins that exist to say why they do not; a direct call is refused before anything runs."""

_NO_FILES = "there are no files; keep data in variables, io.StringIO or io.BytesIO"
_NO_PROCESSES = "there are no processes"
_NO_THREADS = "there are no threads; calls wait by themselves"
_NO_NETWORK = "there is no network; use a tool"
_KEPT = "variables are kept between batches by themselves; use json for text"
_STANDARD_ONLY = "only the standard library is there; use math, statistics, csv, collections and lists"
_USE_ASSERT = "use assert"

MODULES = {
    "os": "there are no files, processes or environment",
    "os.path": "there are no files; for paths as text use pathlib.PurePosixPath",
    **dict.fromkeys(("pathlib", "tempfile", "shutil", "glob", "fileinput", "zipfile", "tarfile", "mmap"), _NO_FILES),
    **dict.fromkeys(("subprocess", "multiprocessing", "signal", "pty", "resource"), _NO_PROCESSES),
    **dict.fromkeys(("threading", "concurrent", "queue", "sched", "_thread", "contextvars"), _NO_THREADS),
    **dict.fromkeys(("socket", "ssl", "http", "urllib", "ftplib", "smtplib", "socketserver", "email"), _NO_NETWORK),
    **dict.fromkeys(("requests", "httpx", "aiohttp", "urllib3", "selenium", "boto3", "openai"), _NO_NETWORK),
    **dict.fromkeys(("pickle", "marshal", "shelve", "dbm"), _KEPT),
    **dict.fromkeys(("numpy", "pandas", "scipy", "sklearn", "polars", "torch", "tensorflow"), _STANDARD_ONLY),
    **dict.fromkeys(("matplotlib", "seaborn", "plotly", "PIL"), "nothing is drawn here; print() a table of the values"),
    **dict.fromkeys(("unittest", "pytest", "doctest", "hypothesis"), _USE_ASSERT),
    **dict.fromkeys(("timeit", "cProfile", "profile", "pstats", "tracemalloc"), "use time.perf_counter()"),
    **dict.fromkeys(("xml", "lxml", "bs4"), "parse the text with re and string methods"),
    **dict.fromkeys(("yaml", "toml", "configparser"), "use json or tomllib"),
    **dict.fromkeys(("dateutil", "pytz"), "use datetime and zoneinfo"),
    **dict.fromkeys(("logging", "tqdm", "rich", "tabulate", "colorama"), "print() what you want to see"),
    **dict.fromkeys(("importlib", "runpy", "pkgutil", "imp"), "use an import statement"),
    **dict.fromkeys(("inspect", "dis", "tokenize", "code", "pdb", "bdb", "trace"), "frames and code are not offered"),
    **dict.fromkeys(("ctypes", "cffi", "_ctypes"), "there is no native code"),
    "asyncio": "there is no event loop; write plain functions, a call waits by itself",
    "argparse": "there is no command line; set variables",
    "getpass": "there is nobody at the console",
    "html.parser": "parse the text with re and string methods",
    "sqlite3": "there are no files; use dicts, lists and sorted()",
    "gc": "memory is managed by itself",
    "weakref": "memory is managed by itself; keep the objects in a dict",
    "locale": "use format specifications such as f'{value:,}'",
    "platform": "nothing is told about the machine; sys.version_info is there",
    "builtins": "built-in functions can be called by name",
    "typing_extensions": "use typing",
    "attr": "use dataclasses",
    "attrs": "use dataclasses",
    "pydantic": "use dataclasses and check the values yourself",
}
"""Why a module that programs often ask for is not there; a module inside a package goes before the package."""
