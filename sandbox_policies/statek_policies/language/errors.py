"""What can come of a guest's source or of a guest's attempt, one class per situation."""

from statek_policies.rules import Violation


class SourceRefused(Exception):
    """The policy says no, before anything ran. The author should read every violation and write it differently."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        self.violations = violations
        super().__init__("\n".join(map(str, violations)))


class SourceInvalid(Exception):
    """The source is not a program. The guest's author should mend it."""

    def __init__(self, type: str, message: str, line: int | None) -> None:
        self.type = type
        self.message = message
        self.line = line
        where = f"line {line}: " if line is not None else ""
        super().__init__(f"{where}{type}: {message}")


class SourceTooLarge(Exception):
    """The source breaches a limit of the policy. The guest's author should send it in smaller batches."""

    def __init__(self, name: str, *, allowed: int, used: int) -> None:
        self.name = name
        self.allowed = allowed
        self.used = used
        super().__init__(f"the source breaches {name}: {used} used, {allowed} allowed; send it in smaller batches")


class PolicyViolation(Exception):
    """What guest code sees when a guard refuses at run time. It may catch it; the attempt was reported all the same."""

    def __init__(self, rule: str, detail: str) -> None:
        self.rule = rule
        self.detail = detail
        super().__init__(detail)


class AttributeWithheld(PolicyViolation, AttributeError):
    """The refusal of an attribute that is there; `hasattr` and `getattr` with a default see it as missing."""


class ImportWithheld(PolicyViolation, ImportError):
    """The refusal of a module or a name in it; `except ImportError` in guest code sees it as not installed."""


class GuestExit(BaseException):
    """The guest called `exit()`: the batch ends quietly, and its job with it. Handled by the interpreter."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        super().__init__("" if text is None else text)
