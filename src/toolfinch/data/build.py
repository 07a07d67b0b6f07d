"""From logs to a dataset: read, anonymize, curate, relabel, synthesize, split, gate, write; every row accounted for.

`toolfinch data` and `toolfinch data build` are this function. Each step leaves its rows on disk, and a build that
was stopped goes on where it was (`work`). Steps see one part of the rows at a time, so memory holds what has to be
known of every row, some bytes each, and no more. What is written is there as a whole, or nothing is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from toolfinch import __version__, artifact
from toolfinch import recipe as recipes
from toolfinch.artifact import write_atomically
from toolfinch.data import build_recipe, dataset, lengths, runner, spool
from toolfinch.data import split as splitting
from toolfinch.data.build_recipe import BuildRecipe
from toolfinch.data.card import Card, Log, Side
from toolfinch.data.curate import quality, repeats
from toolfinch.data.funnel import Funnel, Step, step
from toolfinch.data.readers import log
from toolfinch.data.readers.report import ReadReport, Tally
from toolfinch.data.readers.tools import read_tools
from toolfinch.data.stage import Stage, each, filtered
from toolfinch.data.work import Task, Work, code_digest, stamp
from toolfinch.errors import DataError
from toolfinch.example import Conversation
from toolfinch.tool import Tool

WORK = ".work"
"""Of the output folder: what a build that is under way has finished."""
SIDES = ("train", "validation", "test")


class Watcher:
    """Told how a build goes; does nothing with it. The command line shows it."""

    def part(self, name: str, done: int, total: int) -> None:
        """A step's parts that are done, of how many."""

    def report(self, report: ReadReport) -> None:
        """A log was read."""

    def line(self, step: Step) -> None:
        """A step is done."""

    def reused(self, name: str) -> None:
        """An earlier run had done a step."""


class Built(msgspec.Struct, frozen=True):
    """What a build gave."""

    files: dict[str, Path]
    """By side; only those that have conversations."""
    card: Card


def build(
    recipe: BuildRecipe,
    out: Path,
    *,
    name: str = "dataset",
    run: runner.Runner = runner.here,
    watcher: Watcher = Watcher(),
) -> Built:
    """Run a recipe into the folder `out`.

    Raises UsageError or DataError for what the recipe names and is not there, before anything is done; DataError
    where a step drops the last row; and what reading and the disk raise. What was finished is kept in `out/.work`
    until the whole is done.
    """
    plan = _Plan(recipe, out, run, watcher)
    parts, steps = plan.work.run(plan.tasks(), watcher.reused)
    built = plan.release(parts, Funnel(tuple(steps)), name)
    plan.work.remove()
    return built


class _Plan:
    """What a recipe names, opened and checked, and the tasks that it makes."""

    def __init__(self, recipe: BuildRecipe, out: Path, run: runner.Runner, watcher: Watcher) -> None:
        self.recipe, self.out, self.runner, self.watcher = recipe, out, run, watcher
        self.logs = build_recipe.log_files(recipe)
        self.tools: tuple[Tool, ...] = read_tools(Path(recipe.tools)) if recipe.tools else ()
        self.count = lengths.Longest(recipe.base, recipe.dialect or "")
        lengths.check(recipe.base, recipe.dialect or "")
        splitting.check(recipe.split.fractions)
        self.work = Work(out / WORK)

    def tasks(self) -> list[Task]:
        said = self.recipe
        logs = [stamp(path) for path in self.logs]
        tasks = [Task("read", [logs, said.format, self.tools, said.strict], self._read, keep=True)]
        curating = msgspec.json.encode([said.max_tokens, said.base, said.dialect]).decode()
        for stages in runner.passes(self._curating()):
            names = [stage.name for stage in stages]
            tasks.append(Task(names[0], [curating, names], self._pass(stages)))
        return tasks

    def _read(self, _: Sequence[Path], folder: Path) -> tuple[list[Path], list[Step]]:
        reports: list[ReadReport] = []
        parts = spool.write(folder, self._conversations(reports))
        write_atomically(self._reports, msgspec.json.encode(reports, enc_hook=list))
        skipped = [row for report in reports for row in report.skipped]
        rows = sum(report.found for report in reports)
        read = step("read", rows, rows - len(skipped), skipped)
        self.watcher.line(read)
        return parts, [read]

    @property
    def _reports(self) -> Path:
        return self.work.folder / "reports.json"

    def _conversations(self, reports: list[ReadReport]) -> Iterator[Conversation]:
        """Of all logs; an id that comes again in another file gets `#2`."""
        seen: dict[str, int] = {}
        said = self.recipe
        for place, path in enumerate(self.logs):
            self.watcher.part("read", place, len(self.logs))
            tally = Tally()
            for one in log.conversations(
                path, self.tools, format=said.format, strict=said.strict, tally=tally
            ):
                again, id = 1, one.id
                while id in seen:
                    again += 1
                    id = f"{one.id}#{again}"
                seen[id] = again
                yield one if id == one.id else msgspec.structs.replace(one, id=id)
            reports.append(tally.report())
            self.watcher.report(reports[-1])
        self.watcher.part("read", len(self.logs), len(self.logs))

    def _curating(self) -> list[Stage]:
        most = self.recipe.max_tokens
        return [
            each("trim", quality.trim),
            repeats.stage(),
            filtered("ends properly", quality.ends_properly),
            filtered("calls fit their schemas", quality.calls_fit),
            filtered(f"at most {most} tokens", quality.at_most(most, self.count)),
        ]

    def _pass(
        self, stages: Sequence[Stage]
    ) -> Callable[[Sequence[Path], Path], tuple[list[Path], list[Step]]]:
        def make(parts: Sequence[Path], folder: Path) -> tuple[list[Path], list[Step]]:
            made, steps = runner.run(stages, parts, folder, self.runner, self.watcher.part)
            for one in steps:
                self.watcher.line(one)
                if not one.rows_out:
                    raise self._nothing_left(one, parts)
            return made, steps

        return make

    def _nothing_left(self, one: Step, parts: Sequence[Path]) -> DataError:
        why = ", ".join(f"{reason} ({n})" for reason, n in [*one.reasons.items()][:3])
        have_tools = any(conversation.tools for conversation in spool.read_all(parts))
        return DataError(
            f"{', '.join(map(str, self.logs))}: no conversation is left after {one.name!r}: {why}",
            hint="" if have_tools else "give the tools: --tools FILE",
        )

    def release(self, parts: Sequence[Path], funnel: Funnel, name: str) -> Built:
        """Write everything into a new folder beside the output's files, then put it in their place."""
        fresh = self.out / f".{os.getpid()}.tmp"
        fresh.mkdir()
        try:
            sides = self._write_sides(fresh, parts)
            card = self._card(sides, funnel, name)
            write_atomically(fresh / "card.md", card.to_markdown().encode())
            write_atomically(fresh / "card.json", msgspec.json.format(msgspec.json.encode(card)))
            write_atomically(fresh / "funnel.md", funnel.to_markdown().encode())
            _write_dropped(fresh / "dropped.jsonl", funnel)
            recipes.save(
                self.recipe, fresh / "recipe.toml", f"{_command(self.out / 'recipe.toml', self.out)}"
            )
            for side in set(SIDES) - sides.keys():  # what an earlier run left could be trained on by now
                (self.out / f"{side}.jsonl").unlink(missing_ok=True)
            for path in sorted(fresh.iterdir()):
                path.replace(self.out / path.name)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return Built({side: self.out / f"{side}.jsonl" for side in sides}, card)

    def _write_sides(self, folder: Path, parts: Sequence[Path]) -> dict[str, Side]:
        said = self.recipe.split
        looks = self.runner(runner.Look(splitting.look), parts)
        facts = dict(sorted(fact for found in looks for fact in found))
        side_of = splitting.sides(facts, said.fractions, seed=said.seed)
        written: dict[str, Side] = {}
        for name in SIDES:
            if name not in side_of.values():
                continue
            written[name] = side = Side()
            path = folder / f"{name}.jsonl"
            rows = (one for one in spool.read_all(parts) if side_of[one.id] == name)
            dataset.write_dataset(path, side.counted(rows))
            side.sha256 = artifact.sha256(path)
        return written

    def _card(self, sides: dict[str, Side], funnel: Funnel, name: str) -> Card:
        reports = msgspec.json.decode(self._reports.read_bytes(), type=tuple[ReadReport, ...])
        steps = tuple(msgspec.structs.replace(step, dropped=()) for step in funnel.steps)
        return Card(
            name=name,
            command=_command(Path("recipe.toml"), Path("FOLDER")),
            version=__version__,
            code=code_digest()[:16],
            logs=tuple(
                Log(
                    Path(one.source).name,
                    one.format,
                    one.rows,
                    one.read,
                    one.orphan_results,
                    one.missing_schemas,
                )
                for one in reports
            ),
            sides=sides,
            funnel=Funnel(steps),
            base=self.recipe.base,
            max_tokens=self.recipe.max_tokens,
            anonymized=False,
        )


def _command(recipe: Path, out: Path) -> str:
    return f"toolfinch data build {recipe} --out {out}"


def _write_dropped(path: Path, funnel: Funnel) -> None:
    """One line for each row that was dropped: its id, the step and the reason."""
    rows: list[Mapping[str, str]] = [
        {"id": one.id, "step": step.name, "reason": one.reason}
        for step in funnel.steps
        for one in step.dropped
    ]
    write_atomically(path, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
