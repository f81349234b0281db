"""The office's own process: its application with its scheduler in it, started as the operations guide says."""

from __future__ import annotations

from examples.office.app import dispatcher, main_queue, researcher, setup

from statek import start_statek

if __name__ == "__main__":
    start_statek(
        agents=[dispatcher, researcher],
        push_queues=[main_queue],
        max_concurrency=100,
        setup=setup,
    )
