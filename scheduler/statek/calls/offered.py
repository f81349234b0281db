"""What an application offers to guests, by name, and which part of it an agent's jobs find."""

from __future__ import annotations

from dataclasses import dataclass, replace

from statek.core.agents import AgentDefinition


@dataclass(frozen=True, slots=True)
class Offered:
    """What the application offers, by name."""

    names: tuple[str, ...] = ()
    """Of its tools."""
    temporals: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    """Of the variables that it exports."""
    reserved: frozenset[str] = frozenset()
    """Tools that only jobs of agents may call."""
    agents: frozenset[str] = frozenset()
    """Those that it has itself, with all of their tools."""

    def to(self, agent: AgentDefinition | None) -> Offered:
        """Return what jobs of an agent find: its tools, and its variables; for other jobs what is reserved for none."""
        if agent is None:
            names = tuple(name for name in self.names if name not in self.reserved)
            return replace(self, names=names, temporals=tuple(name for name in self.temporals if name in names))
        exports = tuple(name for name in self.exports if agent.variables is None or name in agent.variables)
        temporals = tuple(name for name in self.temporals if name in agent.tools)
        return replace(self, names=agent.tools, temporals=temporals, exports=exports)
