"""From logs to a dataset: read, anonymize, curate, relabel, synthesize, split, gate, write; every row accounted for.

`toolfinch data` and `toolfinch data build` are this function. Each step leaves its rows on disk, and a build that
was stopped goes on where it was (`work`). Steps see one part of the rows at a time, so memory holds what has to be
known of every row, some bytes each, and no more. What is written is there as a whole, or nothing is.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from toolfinch import __version__, artifact
from toolfinch import recipe as recipes
from toolfinch.artifact import write_atomically
from toolfinch.data import build_recipe, dataset, lengths, runner, spool
from toolfinch.data import split as splitting
from toolfinch.data.anonymize import anonymize
from toolfinch.data.anonymize.entity import Entity, read_roster
from toolfinch.data.anonymize.gate import Gate, read_allowed
from toolfinch.data.anonymize.known import Known
from toolfinch.data.anonymize.leaks import Report
from toolfinch.data.anonymize.release import released
from toolfinch.data.build_recipe import BuildRecipe
from toolfinch.data.card import Card, Log, Side
from toolfinch.data.curate import decontaminate
from toolfinch.data.curate import stages as curate
from toolfinch.data.funnel import Funnel, Step, step
from toolfinch.data.readers import log
from toolfinch.data.readers.report import ReadReport, Tally
from toolfinch.data.readers.tools import read_tools
from toolfinch.data.stage import Change, Facts, Stage, together
from toolfinch.data.taught import Asked, extended, keep_bill, relabelled, whole_bill
from toolfinch.data.work import Task, Work, code_digest, stamp, stamps
from toolfinch.errors import DataError, ToolfinchError, UsageError
from toolfinch.example import Conversation
from toolfinch.models import base_folder
from toolfinch.tool import Tool

KNOWN = "known.json"
"""In the folder of finished steps: the real tokens that the gate has to look for."""
TOOLS = "tools.json"
"""And the recipe's tools, with what is real in them replaced."""
LEDGER = "ledger.sqlite"
"""Stays with the dataset: a later build pays for nothing that is in it."""
PATHS = frozenset({"logs", "tools", "roster", "key_file", "allow", "ner"})
"""Keys of a recipe."""
HIDDEN = "(a name that the gate stops)"
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
        splitting.check(recipe.split.fractions, recipe.split.by)
        self.key = b""
        self.roster: tuple[Entity, ...] = ()
        self.allow: frozenset[str] = frozenset()
        if said := recipe.anonymize:
            self.key = build_recipe.read_key(said)
            self.roster = tuple(read_roster(Path(said.roster))) if said.roster else ()
            self.allow = read_allowed(Path(said.allow)) if said.allow else frozenset()
        elif recipe.ask:
            raise UsageError(
                "ask: a teacher sees only what is anonymized, and there is no [anonymize]",
                hint="add the table; it needs a key, and a roster if there is one",
            )
        if recipe.relabel and not recipe.ask:
            raise UsageError("relabel: there is nobody to ask: no [ask]")
        self.work = Work(out / WORK)

    def tasks(self) -> list[Task]:
        said = self.recipe
        logs = [stamp(path) for path in self.logs]
        tasks = [Task("read", [logs, said.format, self.tools, said.strict], self._read, keep=True)]
        if said.anonymize:
            secret = hashlib.sha256(b"toolfinch build\0" + self.key).hexdigest()
            ner = stamps(Path(said.anonymize.ner)) if said.anonymize.ner else []
            inputs = [said.anonymize, secret, self.roster, sorted(self.allow), self.tools, ner]
            tasks.append(Task("anonymize", inputs, self._anonymize, keep=True))
        base = base_folder(said.base)
        curating = [said.curate, self._suites, said.max_tokens, stamps(base), said.dialect]
        for number, stages in enumerate(runner.passes(self._curating())):
            names = [stage.name for stage in stages]
            tasks.append(Task(names[0], [curating, self.tools, names], self._curate(number)))
        if said.relabel:
            tasks.append(Task("relabel", [self._teachers(), said.relabel], self._relabel))
        if said.synthesize:
            tasks.append(Task("synthesize", [self._teachers(), said.synthesize], self._synthesize))
        return tasks

    def _teachers(self) -> list[str]:
        """Who is asked. How much may be spent and how quickly changes no answer."""
        return [teacher.model for teacher in self.recipe.ask.teachers] if self.recipe.ask else []

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
        seen: set[str] = set()
        again: Counter[str] = Counter()
        said = self.recipe
        for place, path in enumerate(self.logs):
            self.watcher.part("read", place, len(self.logs))
            tally = Tally()
            for one in log.conversations(
                path, self.tools, format=said.format, strict=said.strict, tally=tally
            ):
                id = one.id
                while id in seen:
                    again[one.id] += 1
                    id = f"{one.id}#{again[one.id] + 1}"
                seen.add(id)
                yield one if id == one.id else msgspec.structs.replace(one, id=id)
            reports.append(tally.report())
            self.watcher.report(reports[-1])
        self.watcher.part("read", len(self.logs), len(self.logs))

    def _anonymize(self, parts: Sequence[Path], folder: Path) -> tuple[list[Path], list[Step]]:
        said = self.recipe.anonymize
        assert said is not None
        stage = anonymize.stage(
            self.key,
            self.roster,
            allow=self.allow,
            shift_dates=said.shift_dates,
            ner=Path(said.ner) if said.ner else None,
        )

        def decide(facts: Facts) -> Change:
            known = anonymize.known(facts, self.roster)
            write_atomically(self.work.folder / KNOWN, msgspec.json.encode(known))
            change = stage.decide(facts)
            assert isinstance(change, anonymize.Anonymizer)
            write_atomically(self.work.folder / TOOLS, msgspec.json.encode(change.tools(self.tools)))
            return change

        assert stage.look is not None
        return self._pass([together(stage.name, stage.look, decide)])(parts, folder)

    @functools.cached_property
    def _gate(self) -> Gate | None:
        if not self.recipe.anonymize:
            return None
        known = msgspec.json.decode((self.work.folder / KNOWN).read_bytes(), type=tuple[Known, ...])
        return Gate(known, self.key, self.allow)

    def _asked(self) -> Asked:
        assert self.recipe.ask is not None and self._gate is not None
        return Asked(self.recipe.ask, self.recipe.base, self.out / LEDGER, self._gate)

    def _relabel(self, parts: Sequence[Path], folder: Path) -> tuple[list[Path], list[Step]]:
        assert self.recipe.relabel is not None
        with self._asked() as teachers:
            made, steps = relabelled(parts, folder, teachers, self.recipe.relabel)
            keep_bill(folder, teachers.bill())
        return self._told(made, steps, parts)

    def _synthesize(self, parts: Sequence[Path], folder: Path) -> tuple[list[Path], list[Step]]:
        how = self.recipe.synthesize
        assert how is not None
        most = self.recipe.max_tokens
        if not self.recipe.ask:
            return self._told(
                *extended(parts, folder, self._offered, how, None, self.count, most, self._gate), parts
            )
        with self._asked() as teachers:
            made, steps = extended(parts, folder, self._offered, how, teachers, self.count, most, self._gate)
            keep_bill(folder, teachers.bill())
        return self._told(made, steps, parts)

    def _told(
        self, made: list[Path], steps: list[Step], parts: Sequence[Path]
    ) -> tuple[list[Path], list[Step]]:
        """Hands on what a step made, after telling of it. Raises DataError where nothing is left."""
        for one in steps:
            self.watcher.line(one)
            if not one.rows_out and not made:
                raise self._nothing_left(one, parts)
        return made, steps

    def _curating(self) -> list[Stage]:
        said = self.recipe
        return curate.stages(said.curate, self._suites, self._offered, said.max_tokens, self.count)

    @property
    def _offered(self) -> tuple[Tool, ...]:
        """The recipe's tools; after anonymizing, with what is real in them replaced."""
        path = self.work.folder / TOOLS
        if not self.recipe.anonymize or not path.is_file():
            return self.tools
        return msgspec.json.decode(path.read_bytes(), type=tuple[Tool, ...])

    @functools.cached_property
    def _suites(self) -> dict[str, tuple[str, ...]]:
        """What evaluation suites say, by their names."""
        from toolfinch.evaluate import suite as suites  # it reads data, so not at the top

        texts = {}
        for name in self.recipe.curate.decontaminate:
            plain, given, folder = name.partition("=")
            opened = suites.open(plain, Path(folder) if given else None)
            texts[opened.name] = decontaminate.texts_of(opened)
        return texts

    def _curate(self, number: int) -> Callable[[Sequence[Path], Path], tuple[list[Path], list[Step]]]:
        """A pass of curating, made when its turn comes: only then are the tools anonymized."""

        def make(parts: Sequence[Path], folder: Path) -> tuple[list[Path], list[Step]]:
            return self._pass(runner.passes(self._curating())[number])(parts, folder)

        return make

    def _pass(
        self, stages: Sequence[Stage]
    ) -> Callable[[Sequence[Path], Path], tuple[list[Path], list[Step]]]:
        def make(parts: Sequence[Path], folder: Path) -> tuple[list[Path], list[Step]]:
            made, steps = runner.run(stages, parts, folder, self.runner, self.watcher.part)
            left = [part for part in made if part.stat().st_size]
            return self._told(left, steps, parts)

        return make

    def _nothing_left(self, one: Step, parts: Sequence[Path]) -> DataError:
        why = ", ".join(f"{reason} ({n})" for reason, n in [*one.reasons.items()][:3])
        have_tools = any(conversation.tools for conversation in spool.read_all(parts))
        return DataError(
            f"{', '.join(map(str, self.logs))}: no conversation is left after {one.name!r}: {why}",
            hint="" if have_tools else "give the tools: --tools FILE",
        )

    def release(self, parts: Sequence[Path], funnel: Funnel, name: str) -> Built:
        """Write everything; it is in its place once it has passed the gate as a whole, or not at all."""
        made: list[Card] = []
        sides: dict[str, Side] = {}

        def write(fresh: Path) -> list[Path]:
            sides.update(self._write_sides(fresh, parts))
            return sorted(fresh.iterdir())

        def finish(fresh: Path, report: Report | None) -> list[Path]:
            card = self._card(sides, funnel, name, report)
            made.append(card)
            texts = {
                "card.md": card.to_markdown(),
                "funnel.md": card.funnel.to_markdown(),
                "dropped.jsonl": self._dropped(funnel).decode(),
                "recipe.toml": self._saved_recipe(),
                "card.json": msgspec.json.format(msgspec.json.encode(card)).decode(),
            }
            for file, text in texts.items():
                (fresh / file).write_text(text, encoding="utf-8")
            return [fresh / file for file in texts]

        # What an earlier run left could be trained on by now.
        released(self.out, write, self._gate, finish, stale=[f"{side}.jsonl" for side in SIDES])
        return Built({side: self.out / f"{side}.jsonl" for side in sides}, made[0])

    def _write_sides(self, folder: Path, parts: Sequence[Path]) -> dict[str, Side]:
        said = self.recipe.split
        look = functools.partial(splitting.look, templates=said.templates)
        looks = self.runner(runner.Look(look), parts)
        found = [fact for part in looks for fact in part]
        facts = dict(sorted(found))
        if len(facts) != len(found):
            raise ToolfinchError(f"{len(found) - len(facts)} conversations have an id that another has")
        side_of = splitting.sides(facts, said.fractions, seed=said.seed, by=said.by)
        written: dict[str, Side] = {}
        for name in SIDES:
            if name not in side_of.values():
                continue
            written[name] = side = Side()
            path = folder / f"{name}.jsonl"
            rows = (self._bare(one) for one in spool.read_all(parts) if side_of[one.id] == name)
            dataset.write_dataset(path, side.counted(rows))
            side.sha256, side.size = artifact.sha256(path), path.stat().st_size
        return written

    def _bare(self, one: Conversation) -> Conversation:
        """When someone said something is not told of who is not told."""
        return msgspec.structs.replace(one, time="") if self._gate and one.time else one

    def _card(self, sides: dict[str, Side], funnel: Funnel, name: str, report: Report | None) -> Card:
        reports = msgspec.json.decode(self._reports.read_bytes(), type=tuple[ReadReport, ...])
        steps = tuple(
            msgspec.structs.replace(
                one, dropped=(), reasons={self._shown(why): n for why, n in one.reasons.items()}
            )
            for one in funnel.steps
        )
        for side in sides.values():  # a tool may be named after someone
            side.tools = Counter({self._shown(name): n for name, n in side.tools.items()})
        return Card(
            name=name,
            command="toolfinch data build recipe.toml --out FOLDER",
            version=__version__,
            code=code_digest()[:16],
            logs=tuple(
                Log(
                    self._shown(Path(one.source).name),
                    one.format,
                    one.rows,
                    one.read,
                    one.orphan_results,
                    {self._shown(name): n for name, n in one.missing_schemas.items()},
                )
                for one in reports
            ),
            sides=sides,
            funnel=Funnel(steps),
            base=self.recipe.base,
            max_tokens=self.recipe.max_tokens,
            anonymized=self._gate is not None,
            gate=report.to_markdown() if report else "",
            teachers=self._bill(sides),
        )

    def _bill(self, sides: Mapping[str, Side]) -> str:
        bill = whole_bill(self.work.folder)
        if not self.recipe.ask or bill is None:
            return ""
        labels: Counter[str] = Counter()
        for side in sides.values():
            labels.update(side.labels)
        return msgspec.structs.replace(bill, agreement=dict(labels)).to_markdown()

    def _shown(self, text: str) -> str:
        """A path or a file's name for the card: not where the log's owner wrote a name into it."""
        return HIDDEN if self._gate and self._gate.check(text) else text

    def _dropped(self, funnel: Funnel) -> bytes:
        """One line for each row that was dropped: its id, or its file and row, the step and the reason."""
        rows = []
        for made in funnel.steps:
            for one in made.dropped:
                path, _, row = one.id.rpartition(":")
                id = f"{self._shown(Path(path).name)}:{row}" if made.name == "read" else one.id
                said = {"id": id, "step": made.name, "reason": self._shown(one.reason)}
                rows.append(msgspec.json.encode(said) + b"\n")
        return b"".join(rows)

    def _saved_recipe(self) -> str:
        """As it was resolved; of anonymized data with the names of files alone: a path tells whose machine it was."""

        def shown(value: Any, key: str = "") -> Any:
            if isinstance(value, dict):
                return {name: shown(part, name) for name, part in value.items()}
            if isinstance(value, list | tuple):
                return [shown(part, key) for part in value]
            if not isinstance(value, str):
                return value
            return self._shown(Path(value).name if self._gate and key in PATHS else value)

        text = recipes.to_toml(shown(msgspec.to_builtins(self.recipe)))
        return f"# toolfinch data build recipe.toml --out FOLDER\n{text}"
