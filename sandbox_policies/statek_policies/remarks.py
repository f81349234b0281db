"""What in a policy has no effect though it can be meant: worth a remark to its author, and no refusal."""

from collections.abc import Iterator

from statek_policies.policy import Policy


def remarks(policy: Policy) -> tuple[str, ...]:
    """Return a sentence for each thing that cannot come to bear."""
    return tuple(_remarks(policy))


def _remarks(policy: Policy) -> Iterator[str]:
    limits = policy.limits
    if limits.cpu_seconds > limits.wall_seconds:
        yield f"cpu_seconds = {limits.cpu_seconds:g} is never reached: wall_seconds = {limits.wall_seconds:g} is less"
    if limits.output_lines > limits.output_bytes:
        yield f"output_lines = {limits.output_lines} is never reached: a line is a byte of output_bytes at least"
    if limits.calls == 0 and (policy.tools or policy.members):
        offered = " and ".join(name for name in ("tools", "members") if getattr(policy, name))
        yield f"{offered} are offered, but calls = 0 allows no call, and no time.sleep either"
    if limits.argument_bytes > limits.memory_bytes:
        yield "argument_bytes is more than memory_bytes: such a value cannot be made"
    if limits.workspace_bytes > limits.memory_bytes:
        yield "workspace_bytes is more than memory_bytes: such variables cannot be made"
