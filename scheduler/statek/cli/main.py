"""The statek command: what it can do, and nothing else. Each command imports what it needs when it runs."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from statek_protocol.version import RELEASE

_COMMANDS = {
    "agents": "statek.cli.agents_command:agents_command",
    "audit": "statek.cli.audit_command:audit_command",
    "backup": "statek.cli.backup_command:backup_command",
    "doctor": "statek.cli.doctor_command:doctor_command",
    "exec": "statek.cli.exec_command:exec_command",
    "executors": "statek.cli.executors_command:executors_command",
    "future": "statek.cli.future_command:future_command",
    "health": "statek.cli.health_command:health_command",
    "job": "statek.cli.job_command:job_command",
    "jobs": "statek.cli.jobs_command:jobs_command",
    "policy": "statek.cli.policy_command:policy_command",
    "queues": "statek.cli.queues_command:queues_command",
    "restore": "statek.cli.backup_command:restore_command",
    "scheduler": "statek.cli.scheduler_command:scheduler_command",
    "settings": "statek.cli.settings_command:settings_command",
    "store": "statek.cli.store_command:store_command",
    "token": "statek.cli.token_command:token_command",
    "usage": "statek.cli.usage_command:usage_command",
}


class _LazyGroup(click.Group):
    """Loads a command's module when the command is asked for: `statek exec` must not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"statek {RELEASE}")
        ctx.exit()


@click.group(cls=_LazyGroup)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version)
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="Read the settings of this file (default: $STATEK_SETTINGS, else statek.toml here).",
)
def main(settings: Path | None) -> None:
    """Durable jobs of hostile Python, each in a locked-down process of its own."""
    from statek.logs.configuring import redact_uncaught

    redact_uncaught()
