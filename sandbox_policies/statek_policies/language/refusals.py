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

MODULES = {
    "os": "there are no files, processes or environment",
    "subprocess": "there are no processes",
    "multiprocessing": "there are no processes",
    "threading": "there are no threads; calls wait by themselves",
    "concurrent": "there are no threads; calls wait by themselves",
    "asyncio": "there is no event loop; write plain functions, a call waits by itself",
    "socket": "there is no network; use a tool",
    "urllib": "there is no network; use a tool",
    "http": "there is no network; use a tool",
    "requests": "there is no network; use a tool",
    "httpx": "there is no network; use a tool",
    "pathlib": "there are no files; keep data in variables or io.StringIO",
    "tempfile": "there are no files; keep data in variables or io.StringIO",
    "shutil": "there are no files; keep data in variables or io.StringIO",
    "glob": "there are no files; keep data in variables or io.StringIO",
    "pickle": "variables are kept between batches by themselves; use json for text",
    "marshal": "variables are kept between batches by themselves; use json for text",
    "logging": "print() what you want to see",
    "argparse": "there is no command line; set variables",
    "numpy": "only the standard library is there; use math, statistics and lists",
    "pandas": "only the standard library is there; use csv, collections and lists",
    "importlib": "use an import statement",
    "inspect": "frames and code are not offered",
    "ctypes": "there is no native code",
    "gc": "memory is managed by itself",
    "typing_extensions": "use typing",
    "unittest": "use assert",
    "pytest": "use assert",
}
"""Why a module that programs often ask for is not there."""
