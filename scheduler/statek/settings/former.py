"""Settings of the in-process STATEK that there is no use for here, and what takes their place."""

from __future__ import annotations

from typing import Final

_WALL: Final = "code always runs behind the wall; a job's policy says what it may do (`statek policy show default`)"
_AGENT: Final = "it is given with the agent's definition"

INSTEAD: Final = {
    "prompt_files_dir": _AGENT,
    "warmup_defs_dir": _AGENT,
    "chat_style": f"{_AGENT}, as its `style`",
    "examples_style": _AGENT,
    "examples_dir": _AGENT,
    "documents_dir": _AGENT,
    "xml_box_console": _AGENT,
    "xml_box_example": _AGENT,
    "default_difficulty": _AGENT,
    "model_info_dir": "prices_path names a price table",
    "python_sandbox_mode": _WALL,
    "python_sandbox_max_source_bytes": "the policy's limit source_bytes bounds it",
    "python_sandbox_max_ast_nodes": "the policy's limit ast_nodes bounds it",
    "python_sandbox_allowed_imports": "the policy's imports say it",
    "python_sandbox_allowed_tools": "the policy's tools say it",
    "default_acl": "dbzero's own access control is the application's matter",
    "rpc_host": "http_host says where the HTTP interface listens",
    "rpc_port": "http_port says where the HTTP interface listens",
}
