"""How fast duplicates are found, exact and near: conversations per second of CPU time on one core, in one process.

    python bench/dedupe.py [--peer PYTHON] [CONVERSATIONS]

PYTHON is an interpreter of an environment with `datasketch`, whose MinHash and MinHashLSH do the same work beside ours,
by turns with it: 128 permutations of the same shingles, a threshold of 0.8, the first of each group stays. It has
only a part of the conversations (PEER of them): it takes long, and its time grows evenly. Without one, ours alone.

A conversation is a request of 20 words, or of 60, and a call with two arguments. Of every ten, two are copies and two
say one word otherwise than another one and make its call: of 20 words that is up to a fifth of the shingles, so most
of those stay; of 60 they go. Timed is a stage as a whole: looking, deciding and changing. Left out: reading, and
paraphrases, which neither finds.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

from toolfinch.data.curate import duplicates, near
from toolfinch.data.curate.words import words
from toolfinch.data.stage import Stage, run
from toolfinch.example import Conversation
from toolfinch.message import ToolCall, assistant, user
from toolfinch.tool import Tool

PEER = 20_000
TIMES = 3
TOOLS = tuple(
    Tool(f"tool_{i}", f"Does {i}.", {"type": "object", "properties": {"to": {"type": "string"}}})
    for i in range(8)
)

THEIRS = """
import json, sys, time
from datasketch import MinHash, MinHashLSH

rows = json.load(open(sys.argv[1]))
began = time.process_time()
lsh = MinHashLSH(threshold=0.8, num_perm=128)
kept = {}
sketches = MinHash.generator([[s.encode() for s in shingles] for _, shingles in rows], num_perm=128, seed=1)
for place, ((call, _), sketch) in enumerate(zip(rows, sketches)):
    if not any(kept[other][0] == call and kept[other][1].jaccard(sketch) >= 0.8 for other in lsh.query(sketch)):
        kept[place] = (call, sketch)
        lsh.insert(place, sketch)
print(json.dumps([time.process_time() - began, list(kept)]))
"""


def conversations(count: int, length: int) -> list[Conversation]:
    """Of ten, the seventh and eighth say and do what the first and second did, the last two nearly so."""
    chance = random.Random(7)
    told = [f"word{i}" for i in range(3000)]
    ten: list[tuple[list[str], ToolCall]] = []
    made = []
    for number in range(count):
        place = number % 10
        if place == 0:
            ten = []
        if place < 6:
            said = chance.choices(told, k=length)
            call = ToolCall(f"tool_{number % 8}", {"to": chance.choice(told), "number": number})
            ten.append((said, call))
        else:
            said, call = ten[place - 6]
            if place > 7:
                said = list(said)
                said[chance.randrange(len(said))] = "another"
        made.append(Conversation(f"{number:09}", TOOLS, (user(" ".join(said)), assistant("", call))))
    return made


def ours(stage: Stage, rows: list[Conversation]) -> tuple[float, set[str]]:
    """CPU seconds, and who stays."""
    began = time.process_time()
    kept, _ = run(stage, rows)
    return time.process_time() - began, {one.id for one in kept}


def theirs(python: str, rows: list[Conversation]) -> tuple[float, set[str]]:
    """The same for datasketch, without the time that it takes to cut the words into shingles."""
    given = []
    for one in rows:
        said = words(one.messages[0].content)
        call = one.messages[1].calls[0]
        given.append(
            (
                [call.name, call.arguments],
                list(map(" ".join, zip(said, said[1:], said[2:], strict=False))),
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        path.write_text(json.dumps(given))
        done = subprocess.run(
            [python, "-c", THEIRS, str(path)], check=True, stdout=subprocess.PIPE, text=True
        )
    seconds, kept = json.loads(done.stdout)
    return seconds, {rows[place].id for place in kept}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=200_000)
    parser.add_argument("--peer", help="a Python that has datasketch")
    given = parser.parse_args()
    for length in (20, 60):
        rows = conversations(given.count, length)
        print(f"{given.count:,} conversations, requests of {length} words")
        for name, stage in (("exact", duplicates.stage()), ("near", near.stage())):
            took, kept = min(ours(stage, rows) for _ in range(TIMES))
            print(f"  {name:<10} {given.count / took:9,.0f}/s  {len(kept):,} stay", flush=True)
        if not given.peer:
            print("  datasketch: not there; give --peer PYTHON")
            continue
        part = rows[:PEER]
        pairs = [(ours(near.stage(), part), theirs(given.peer, part)) for _ in range(TIMES)]
        mine, other = (min(sides) for sides in zip(*pairs, strict=True))
        print(f"  the first {len(part):,}:")
        print(f"  near       {len(part) / mine[0]:9,.0f}/s  {len(mine[1]):,} stay")
        print(f"  datasketch {len(part) / other[0]:9,.0f}/s  {len(other[1]):,} stay")
        print(f"  ratio      {other[0] / mine[0]:9.1f}    {len(mine[1] ^ other[1]):,} stay with one alone")


if __name__ == "__main__":
    main()
