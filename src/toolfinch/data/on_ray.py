"""The same tasks on Ray Data: `ray.data` gives each part to a worker, on this machine or on a cluster.

Parts lie on disk, so on a cluster the output folder has to be on storage that all machines share. A task that dies
with its worker is run again by Ray; what it had begun to write is not seen. Ray is the extra `ray`.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from toolfinch.data.runner import Task
from toolfinch.errors import MissingDependency, ToolfinchError


class OnRay:
    """A `Runner`. Use it as a context: leaving it ends what it started."""

    def __init__(self, address: str = "") -> None:
        """`address`: a running cluster's, such as `auto`; empty starts workers on this machine.

        Raises MissingDependency without Ray, and ToolfinchError where no cluster answers.
        """
        try:
            import ray
        except ImportError as error:
            raise MissingDependency("--ray needs Ray", hint="pip install 'toolfinch[ray]'") from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            try:
                ray.init(
                    address=address or "local",
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            except ConnectionError as error:
                raise ToolfinchError(f"--ray {address}: no Ray cluster answers there") from error
        for name in ("ray", "ray.data"):  # it tells of every step that it takes
            logging.getLogger(name).setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False

    def __enter__(self) -> OnRay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            self._ray.shutdown()

    def __call__(self, task: Task, parts: Sequence[Path]) -> Iterator[Any]:
        # Once for all tasks: what a stage decided can be as large as a roster.
        shared = self._ray.put(task)
        get = self._ray.get

        def one(row: dict[str, Any]) -> dict[str, Any]:
            return {"place": row["place"], "result": pickle.dumps(get(shared)(Path(row["part"])))}

        items = [{"place": place, "part": str(part)} for place, part in enumerate(parts)]
        if not items:
            return
        made = self._ray.data.from_items(items, override_num_blocks=len(items)).map(one)
        results = {row["place"]: row["result"] for row in made.iter_rows()}
        for place in range(len(items)):
            yield pickle.loads(results[place])
