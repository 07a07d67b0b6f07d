"""Does a specialist that is trained on anonymized text score as one that is trained on the real text?

    python bench/anonymized_training.py SGD --out runs/planted [--train 1500] [--test 100]

SGD is the folder of the schema-guided dialogues. Everyone in them gets a made-up name and e-mail address, which the
user says at the start, and which every booking has to carry as arguments; nobody of the training conversations is
in those that are measured. Two datasets are made of the same conversations, as they are and anonymized with a roster;
two specialists are trained on them by the same recipe, and both are measured on the same real conversations.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ACTS = ("Reserve", "Book", "Buy", "Schedule", "GetRide", "AddEvent", "TransferMoney")
"""Functions whose names have one of these need somebody to do it for."""
GIVEN = "Adela Bruno Celine Darius Elif Fausto Gisela Hakan Ilka Jovan Katya Lorenz Mirela Nestor Oriana Pavel Quirin Rosalba Stellan Teodora".split()
FAMILY = "Abendroth Bakalov Cardenas Dragusin Eskildsen Farkas Gallardo Hollander Ivanisevic Jorgensen Kowalczyk Lindqvist Moravec Nakagawa Okonjo Petrakis Quesada Rautavaara Szymanski Thorvald".split()


def persona(number: int) -> tuple[str, str]:
    """One of 400 people: (name, e-mail)."""
    given, family = GIVEN[number % 20], FAMILY[number // 20 % 20]
    return f"{given} {family}", f"{given[0].lower()}.{family.lower()}@mailbox-{number % 7}.org"


def planted(row: dict[str, Any], who: tuple[str, str], chance: random.Random) -> dict[str, Any]:
    """The row with somebody in it."""
    name, email = who
    for tool in row["tools"]:
        function = tool["function"]
        if any(act in function["name"] for act in ACTS):
            parameters = function["parameters"]
            parameters["properties"]["customer_name"] = {"type": "string", "description": "Who it is for"}
            parameters["properties"]["customer_email"] = {
                "type": "string",
                "description": "Their e-mail address",
            }
            parameters["required"] = [*parameters.get("required", []), "customer_name", "customer_email"]
    says = chance.choice(
        (
            "Hi, {name} here, {email}. {text}",
            "This is {name} ({email}). {text}",
            "{text} I'm {name}, {email}.",
        )
    )
    for message in row["messages"]:
        if message["role"] == "user" and says:
            message["content"] = says.format(name=name, email=email, text=message["content"])
            says = ""
        for call in message.get("tool_calls") or ():
            function = call["function"]
            if any(act in function["name"] for act in ACTS):
                arguments = json.loads(function["arguments"])
                function["arguments"] = json.dumps(
                    {**arguments, "customer_name": name, "customer_email": email}
                )
    return row


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) as file:
        yield from map(json.loads, file)


def write(path: Path, made: Iterator[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")


def toolfinch(*arguments: str | Path) -> None:
    print("$ toolfinch", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "toolfinch", *map(str, arguments)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sgd", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=1500)
    parser.add_argument("--test", type=int, default=100)
    said = parser.parse_args()
    out: Path = said.out
    out.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    every = list(islice(rows(said.sgd / "train.jsonl.gz"), 12_000))
    chance.shuffle(every)
    test, train = every[: said.test], every[said.test : said.test + said.train]
    write(out / "train.jsonl", (planted(row, persona(chance.randrange(300)), chance) for row in train))
    write(out / "test.jsonl", (planted(row, persona(300 + chance.randrange(100)), chance) for row in test))
    with (out / "people.csv").open("w", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(("kind", "name", "email"))
        sheet.writerows(("person", *persona(number)) for number in range(300))
    (out / "key").write_text("a key for a benchmark, of no secret")
    split = "[split]\ntrain = 0.97\nvalidation = 0.03\ntest = 0.0\n"
    curate = "[curate]\ndecontaminate = []\n"
    roster = f"[anonymize]\nroster = {json.dumps(str(out / 'people.csv'))}\nkey_file = {json.dumps(str(out / 'key'))}\n"
    logs = f"logs = [{json.dumps(str(out / 'train.jsonl'))}]\n"
    (out / "real.toml").write_text(f"{logs}{curate}{split}")
    (out / "anonymized.toml").write_text(f"{logs}{roster}{curate}{split}")
    toolfinch("data", out / "test.jsonl", "--out", out / "test", "--validation", "0", "--test", "1")
    for name in ("real", "anonymized"):
        toolfinch("data", "build", out / f"{name}.toml", "--out", out / name / "data")
        toolfinch("train", "sgd", "--data", out / name / "data", "--out", out / name / "specialist")
    models = [f"{name}={out / name / 'specialist' / 'model'}" for name in ("real", "anonymized")]
    toolfinch("eval", *models, "--suite", out / "test" / "test.jsonl", "--out", out / "eval")
    toolfinch("compare", "real", "anonymized", "--in", out / "eval")


if __name__ == "__main__":
    main()
