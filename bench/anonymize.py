"""How fast a log is anonymized and gated with a roster of 20,000 people, and what Presidio's recognisers do beside it.

    python bench/anonymize.py [--megabytes 20] [--people 20000] [--presidio PYTHON]

MB/s of CPU time on one core, of conversations as JSON lines without their tools, which a log repeats: `look` finds what
fields and forms tell, `replace` writes pseudonyms, `gate` reads the result as it is on disk. PYTHON is that of an
environment with presidio-analyzer and spaCy; its regular-expression recognisers (no model of a language) get the same
texts, fewer of them. Recall is of what was planted, by kind: gone from our output, inside a finding of theirs. Text and
people are made up, so recall says nothing of other logs.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from toolfinch.data.anonymize import anonymize
from toolfinch.data.anonymize.entity import Entity
from toolfinch.data.anonymize.gate import Gate
from toolfinch.data.dataset import write_dataset
from toolfinch.example import Conversation
from toolfinch.message import ToolCall, assistant, tool, user

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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--presidio")
    said = parser.parse_args()
    chance = random.Random(7)
    roster = people(said.people, chance)
    rows, texts = conversations(said.megabytes * 1_000_000, roster, chance)
    stage = anonymize.stage(KEY, roster)
    assert stage.look is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "real.jsonl"
        write_dataset(path, rows)
        size = path.stat().st_size / 1e6
        took: dict[str, float] = {}

        def timed(name: str, began: float) -> None:
            took[name] = time.process_time() - began

        began = time.process_time()
        facts = {one.id: stage.look(one) for one in rows}
        timed("look", began)
        began = time.process_time()
        change = stage.decide(dict(sorted(facts.items())))
        change(rows[0])
        known = anonymize.known(facts, roster)
        timed("decide, once", began)
        began = time.process_time()
        changed = [after[0] if isinstance(after := change(one), tuple) else after for one in rows]
        timed("replace", began)
        out = Path(folder) / "anonymized.jsonl"
        write_dataset(out, [one for one in changed if isinstance(one, Conversation)])
        began = time.process_time()
        gate = Gate(known, KEY)
        timed("gate, once", began)
        began = time.process_time()
        report = gate.files([out])
        timed("gate", began)
        print(
            f"{size:.0f} MB, {said.people:,} people, {report.spellings:,} spellings, survivors: {len(report.survivors)}"
        )
        for name, seconds in took.items():
            print(
                f"  {name:<14} {seconds:6.2f} s"
                + ("" if "once" in name else f"   {size / seconds:6.1f} MB/s")
            )
        both = took["look"] + took["replace"] + took["gate"]
        print(f"  anonymize and gate together: {size / both:.1f} MB/s of CPU time on one core")
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
        print(f"Presidio: {peer['speed']:.2f} MB/s; ours is {size / both / peer['speed']:.0f} times that")
        print(
            "  recall: "
            + ", ".join(f"{kind} {hit / n:.3f}" for kind, (hit, n) in sorted(peer["hits"].items()))
        )


if __name__ == "__main__":
    main()
