"""What finds a job's row in the ledger by its agent or outcome?"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "ALTER TABLE jobs ADD COLUMN agent TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX jobs_by_agent ON jobs(agent) WHERE agent <> ''",
    "CREATE INDEX jobs_by_agent_and_status ON jobs(agent, status)",
    "CREATE INDEX jobs_by_outcome ON jobs(outcome) WHERE outcome IS NOT NULL",
)
"""The jobs' agents, which are in their states as well, and the indices over them."""
