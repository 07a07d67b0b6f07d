"""How fast a log is anonymized and gated with a roster of 20,000 people, and what Presidio's recognisers do beside it.

    python bench/anonymize.py [--megabytes 20] [--people 20000] [--log FILE] [--presidio PYTHON]

MB/s of CPU time on one core, of conversations as JSON lines: `look` finds what fields and forms tell, `replace` writes
pseudonyms, `gate` reads the result as it is on disk. First made-up ones in which every message names someone, without
tools; of them, with as many bytes of tools, which a log repeats, the gate alone. Then the first conversations of FILE
with its tools, among whom nobody of the roster is. What is done once, whatever the size, has no MB/s. PYTHON is that of
an environment with presidio-analyzer and spaCy; its regular-expression recognisers (no model of a language) get the
same texts, fewer of them. Recall is of what was planted, by kind: gone from our output, inside a finding of theirs. Text
and people are made up, so recall says nothing of other logs.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec

from toolfinch.data.anonymize import anonymize, detect
from toolfinch.data.anonymize.entity import Entity
from toolfinch.data.anonymize.gate import Gate
from toolfinch.data.dataset import read_dataset, write_dataset
from toolfinch.data.readers import log
from toolfinch.data.stage import Changed
from toolfinch.example import Conversation
from toolfinch.message import ToolCall, assistant, tool, user
from toolfinch.tool import Tool

GIVEN = [
    a + b
    for a in "Al Be Ca Do El Fa Gi He Il Jo Ka Lu Ma No Or Pe".split()
    for b in "dena rik sso vela nita mir bert lind".split()
]
FAMILY = [
    a + b + c
    for a in "Am Brun Cor Dal Es Far Gal Hol Iv Jor".split()
    for b in "en ar ov ik".split()
    for c in "sen ström dahl wicz".split()
]
WORDS = [
    a + b for a in ("ka", "mo", "ri", "ste", "lu", "an") for b in ("ber", "ton", "lin", "do", "rey", "sk")
]
KEY = b"a key for a benchmark, of no secret"
Planted = tuple[str, str]
"""(kind, text)."""

PEER = """
import json, sys, time
import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine

class Blank(SpacyNlpEngine):
    def __init__(self):
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}
    def load(self):
        pass
    def is_loaded(self):
        return True

registry = RecognizerRegistry()
registry.load_predefined_recognizers(languages=["en"])
registry.remove_recognizer("SpacyRecognizer")
engine = AnalyzerEngine(nlp_engine=Blank(), registry=registry, supported_languages=["en"])
rows = [json.loads(line) for line in open(sys.argv[1])]
engine.analyze("warm up", language="en")
size, found, began = 0, [], time.process_time()
for text, _ in rows:
    size += len(text.encode())
    found.append(engine.analyze(text, language="en"))
took = time.process_time() - began
hits = {}
for (text, planted), results in zip(rows, found):
    for kind, token in planted:
        at = text.find(token)
        hit = any(r.start < at + len(token) and at < r.end for r in results)
        hits.setdefault(kind, [0, 0])
        hits[kind][0] += hit
        hits[kind][1] += 1
print(json.dumps({"speed": size / took / 1e6, "hits": hits}))
"""


def people(count: int, chance: random.Random) -> list[Entity]:
    made = []
    for number in range(count):
        name = f"{chance.choice(GIVEN)} {chance.choice(FAMILY)}{number % 7 * 'a'}"
        plain = name.lower().replace(" ", ".").replace("ö", "o")
        phone = f"+1 {chance.randrange(201, 990)} {chance.randrange(600, 990)} {chance.randrange(1000, 9999)}"
        made.append(
            Entity(
                "person",
                (name,),
                (f"{plain}{number}@firm{number % 50}.com",),
                (phone,),
                (f"{plain[:9]}{number}",),
            )
        )
    return made


def conversations(
    size: int, roster: list[Entity], chance: random.Random
) -> tuple[list[Conversation], list[tuple[str, list[Planted]]]]:
    """About so many bytes of conversations, and every text with what is planted in it."""
    made: list[Conversation] = []
    texts: list[tuple[str, list[Planted]]] = []
    written = 0
    while written < size:
        messages = []
        for turn in range(4):
            one = chance.choice(roster)
            kind, token = chance.choice(
                [
                    ("name", one.names[0]),
                    ("e-mail", one.emails[0]),
                    ("phone", one.phones[0]),
                    ("handle", "@" + one.handles[0]),
                ]
            )
            words = chance.choices(WORDS, k=40)
            said = " ".join([*words[:20], "for", token + ",", *words[20:]])
            card = (
                "4111 1111 1111 1111"
                if chance.random() < 0.02
                else "10.20.30.40"
                if chance.random() < 0.02
                else ""
            )
            answer = " ".join(chance.choices(WORDS, k=40)) + (f" {card} " if card else "")
            result = json.dumps(
                {"owner": one.names[0], "email": one.emails[0], "note": " ".join(chance.choices(WORDS, k=30))}
            )
            messages += [
                user(said),
                assistant("", ToolCall("find", {"who": token}, f"c{turn}")),
                tool(result, f"c{turn}"),
                assistant(answer),
            ]
            texts.append((said, [(kind, token)]))
            if card:
                texts.append((answer, [("card number" if card[0] == "4" else "IP address", card)]))
        made.append(Conversation(f"s{len(made)}", (), tuple(messages)))
        written += len(msgspec.json.encode(made[-1]))
    return made, texts


def offered(count: int, chance: random.Random) -> list[tuple[Tool, ...]]:
    """Lists of tools, each about as long as a conversation."""

    def tool(number: int) -> Tool:
        words = iter(chance.choices(WORDS, k=200))
        properties = {
            f"{next(words)}_{place}": {
                "type": "string",
                "description": " ".join(next(words) for _ in range(12)),
                "enum": [next(words) for _ in range(3)],
            }
            for place in range(4)
        }
        said = " ".join(next(words) for _ in range(20))
        return Tool(f"{next(words)}_{number}", said, {"type": "object", "properties": properties})

    return [tuple(tool(number) for number in range(5)) for _ in range(count)]


def anonymized(rows: list[Conversation], roster: list[Entity], out: Path) -> tuple[float, Gate]:
    """Anonymize, write, gate and print; the speed of all of it, MB/s, and the gate."""
    stage = anonymize.stage(KEY, roster)
    assert stage.look is not None
    real = out.with_suffix(".real.jsonl")
    write_dataset(real, rows)
    size = real.stat().st_size / 1e6
    took: dict[str, float] = {}

    def timed(name: str, began: float) -> None:
        took[name] = time.process_time() - began

    began = time.process_time()
    detect.secrets("")
    timed("rules, once", began)
    began = time.process_time()
    facts = {one.id: stage.look(one) for one in rows}
    timed("look", began)
    began = time.process_time()
    change = stage.decide(dict(sorted(facts.items())))
    change(rows[0])
    known = anonymize.known(facts, roster)
    timed("decide, once", began)
    began = time.process_time()
    changed = [change(one) for one in rows]
    timed("replace", began)
    did = sum(sum(one.did.values()) for one in changed if isinstance(one, Changed))
    write_dataset(
        out, [one.one if isinstance(one, Changed) else one for one in changed if not isinstance(one, str)]
    )
    began = time.process_time()
    gate = Gate(known, KEY)
    timed("gate, once", began)
    began = time.process_time()
    report = gate.files([out])
    timed("gate", began)
    print(
        f"{size:.1f} MB, {len(rows):,} conversations, {len(roster):,} people, {report.spellings:,} spellings, "
        f"{did:,} replacements, survivors: {len(report.survivors)}"
    )
    for name, seconds in took.items():
        print(f"  {name:<14} {seconds:6.2f} s" + ("" if "once" in name else f"   {size / seconds:6.1f} MB/s"))
    speed = size / (took["look"] + took["replace"] + took["gate"])
    print(f"  anonymize and gate together: {speed:.1f} MB/s of CPU time on one core")
    return speed, gate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--conversations", type=int, default=2500, help="of the log")
    parser.add_argument("--presidio")
    said = parser.parse_args()
    chance = random.Random(7)
    roster = people(said.people, chance)
    rows, texts = conversations(said.megabytes * 1_000_000, roster, chance)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "anonymized.jsonl"
        speed, gate = anonymized(rows, roster, out)
        lists = offered(50, chance)
        with_tools = Path(folder) / "with_tools.jsonl"
        clean = (msgspec.structs.replace(one, tools=chance.choice(lists)) for one in read_dataset(out))
        write_dataset(with_tools, clean)
        size = with_tools.stat().st_size / 1e6
        began = time.process_time()
        survivors = len(gate.files([with_tools]).survivors)
        seconds = time.process_time() - began
        print(
            f"gate alone, half of it tools: {size:.1f} MB, {size / seconds:.1f} MB/s, survivors: {survivors}"
        )
        if said.log:
            whole = list(islice(log.conversations(said.log), said.conversations))
            anonymized(whole, roster, Path(folder) / "log.jsonl")
        left = out.read_text(encoding="utf-8").casefold()
        counts: Counter[str] = Counter()
        gone: Counter[str] = Counter()
        for kind, token in {one for _, planted in texts for one in planted}:
            counts[kind] += 1
            gone[kind] += token.casefold() not in left
        print("  recall: " + ", ".join(f"{kind} {gone[kind] / counts[kind]:.3f}" for kind in sorted(counts)))
        if not said.presidio:
            print("Presidio: not measured (--presidio PYTHON)")
            return
        sample = chance.sample(texts, min(len(texts), 1500))
        given = Path(folder) / "texts.jsonl"
        given.write_text("".join(json.dumps(one) + "\n" for one in sample), encoding="utf-8")
        ran = subprocess.run(
            [said.presidio, "-c", PEER, str(given)], capture_output=True, text=True, check=True
        )
        peer = json.loads(ran.stdout.splitlines()[-1])
        print(f"Presidio: {peer['speed']:.2f} MB/s; ours is {speed / peer['speed']:.0f} times that")
        print(
            "  recall: "
            + ", ".join(f"{kind} {hit / n:.3f}" for kind, (hit, n) in sorted(peer["hits"].items()))
        )


if __name__ == "__main__":
    main()
