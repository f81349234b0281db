"""The chance that a guest draws from: seeded by the host once, so that a replay draws the same."""

import base64
import hmac
import random
import secrets
import statistics
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from statek_policies.language.host import Host

_MARK = "not seeded yet"
_UNSEEDED = random.Random(_MARK).getstate()  # noqa: S311 - a mark, never drawn from
_SEED_BYTES = 32
_TOKEN_BYTES = 32
_DRAWS = (
    "betavariate choice choices expovariate gammavariate gauss getrandbits lognormvariate normalvariate "
    "paretovariate randbytes randint random randrange sample shuffle triangular uniform vonmisesvariate "
    "weibullvariate"
)


class GuestRandom(random.Random):
    """The generator behind the facade `random`; it is seeded when it is first drawn from.

    Its state can be saved and restored at any time: the state before the seeding is one value, which restores to that.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        super().__init__(_MARK)
        self._seeded = False

    @property
    def in_use(self) -> bool:
        """Tell whether it was seeded, by the guest or by its first draw."""
        return self._seeded

    def seeded(self) -> random.Random:
        """Return the generator itself, seeded."""
        if not self._seeded:
            self.seed()
        return self

    def seed(self, a: Any = None, version: int = 2) -> None:
        """Seed from a value, or from the host."""
        super().seed(self._host.entropy(_SEED_BYTES) if a is None else a, version)
        self._seeded = True

    def setstate(self, state: Any) -> None:
        """Go on from a saved state."""
        super().setstate(state)
        self._seeded = super().getstate() != _UNSEEDED


def _generator_class(host: Host) -> type[random.Random]:
    """Make the guest's `random.Random`: without a seed it is seeded by the host."""

    class Random(random.Random):
        """A generator of one's own."""

        def __init__(self, x: Any = None) -> None:
            super().__init__(host.entropy(_SEED_BYTES) if x is None else x)

        def seed(self, a: Any = None, version: int = 2) -> None:
            """Seed from a value, or by chance."""
            super().seed(host.entropy(_SEED_BYTES) if a is None else a, version)

    Random.__module__, Random.__qualname__ = "random", "Random"
    return Random


class Chance:
    """What replaces the exports of `random`, `uuid` and `secrets`."""

    def __init__(self, host: Host) -> None:
        self.generator = GuestRandom(host)
        self._host = host

    def random_exports(self) -> dict[str, object]:
        """Return what `random` exports."""
        exports: dict[str, object] = {name: self._draw(name) for name in _DRAWS.split()}
        return exports | {
            "seed": self._seed(),
            "getstate": lambda: self.generator.seeded().getstate(),
            "setstate": lambda state: self.generator.setstate(state),
            "Random": _generator_class(self._host),
        }

    def _draw(self, name: str) -> Callable[..., Any]:
        method = getattr(random.Random, name)

        def draw(*arguments: Any, **keywords: Any) -> Any:
            return method(self.generator.seeded(), *arguments, **keywords)

        draw.__name__ = name
        return draw

    def _seed(self) -> Callable[..., None]:
        return lambda a=None, version=2: self.generator.seed(a, version)

    def samples(self) -> Callable[..., list[float]]:
        """Return the method that replaces `NormalDist.samples`."""

        def samples(distribution: statistics.NormalDist, n: int, *, seed: Any = None) -> list[float]:
            source = self.generator.seeded() if seed is None else random.Random(seed)  # noqa: S311 - its own seed
            return [source.gauss(distribution.mean, distribution.stdev) for _ in range(n)]

        return samples

    def uuid_exports(self) -> dict[str, object]:
        """Return what `uuid` exports beside the names that are the same everywhere."""
        entropy, time_ns = self._host.entropy, self._host.time_ns
        return {
            "uuid4": lambda: uuid.UUID(bytes=entropy(16), version=4),
            "uuid1": lambda: _time_uuid(time_ns(), entropy(8)),
        }

    def secrets_exports(self) -> dict[str, object]:
        """Return what `secrets` exports."""
        entropy = self._host.entropy

        def token_bytes(nbytes: int | None = None) -> bytes:
            return entropy(_TOKEN_BYTES if nbytes is None else nbytes)

        def randbits(k: int) -> int:
            return int.from_bytes(entropy((k + 7) // 8), "big") >> (-k % 8)

        def randbelow(exclusive_upper_bound: int) -> int:
            if exclusive_upper_bound <= 0:
                raise ValueError("Upper bound must be positive.")
            while (drawn := randbits(exclusive_upper_bound.bit_length())) >= exclusive_upper_bound:
                pass
            return drawn

        def choice(seq: Sequence[Any]) -> Any:
            return seq[randbelow(len(seq))]

        return {
            "token_bytes": token_bytes,
            "token_hex": lambda nbytes=None: token_bytes(nbytes).hex(),
            "token_urlsafe": lambda nbytes=None: base64.urlsafe_b64encode(token_bytes(nbytes)).rstrip(b"=").decode(),
            "randbits": randbits,
            "randbelow": randbelow,
            "choice": choice,
            "compare_digest": hmac.compare_digest,
            "DEFAULT_ENTROPY": secrets.DEFAULT_ENTROPY,
        }


_CLOCK_OFFSET = 0x01B21DD213814000
"""100-nanosecond intervals between the beginning of the Gregorian calendar and of 1970."""


def _time_uuid(time_ns: int, chance: bytes) -> uuid.UUID:
    stamp = time_ns // 100 + _CLOCK_OFFSET
    node = int.from_bytes(chance[:6], "big") | 0x010000000000  # the multicast bit: not a network card's address
    sequence = int.from_bytes(chance[6:], "big") & 0x3FFF
    fields = (stamp & 0xFFFFFFFF, stamp >> 32 & 0xFFFF, stamp >> 48 & 0x0FFF, sequence >> 8, sequence & 0xFF, node)
    return uuid.UUID(fields=fields, version=1)
