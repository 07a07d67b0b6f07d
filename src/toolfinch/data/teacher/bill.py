"""`Bill`: what teachers were asked and paid, for the data card."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from toolfinch.data.teacher.ledger import Account, Ledger


class Bill(msgspec.Struct, frozen=True):
    """Accounts are the ledger's, over all runs; `asked` and `remembered` are this run's."""

    accounts: tuple[Account, ...]
    asked: dict[str, int] = {}
    """Questions that this run put, by teacher."""
    remembered: dict[str, int] = {}
    """Those of them that the ledger had answers to."""
    interrupted: int = 0
    """Requests that were under way when the run before this one was killed."""
    agreement: dict[str, int] = {}
    """Turns by what the teachers said of them: `agreed`, `changed`, `disputed`, `abstained`."""

    @property
    def paid(self) -> float:
        """By all teachers, as their usage says."""
        return sum(one.paid for one in self.accounts)

    @property
    def double(self) -> int:
        """Requests that may have been paid for twice."""
        return sum(one.double for one in self.accounts)

    @property
    def unsettled(self) -> float:
        """The most that requests without an answer can have cost beside."""
        return sum(one.unsettled for one in self.accounts)

    def to_markdown(self) -> str:
        """A table, a line a teacher, and what has to be said of it."""
        lines = [
            "| teacher | asked | remembered | paid for | of no use | refused | lost | maybe paid twice | tokens in | tokens out | cost |",
            "|---|" + "---:|" * 10,
        ]
        for one in self.accounts:
            counts = (
                self.asked.get(one.teacher, 0),
                self.remembered.get(one.teacher, 0),
                one.done,
                one.useless,
                one.failed,
                one.unknown,
                one.double,
                one.usage.prompt_tokens,
                one.usage.completion_tokens,
            )
            cells = " | ".join(f"{count:,}" for count in counts)
            lines.append(f"| {one.teacher.replace('|', chr(92) + '|')} | {cells} | {one.paid:.4f} |")
        lines += ["", f"Paid {self.paid:.4f} in all, as the endpoints count."]
        if self.unsettled or self.double:
            lines.append(
                f"{self.double:,} requests may have been paid for twice; what was lost can have cost up to "
                f"{self.unsettled:.4f} more."
            )
        if self.agreement:
            said = ", ".join(f"{label} {count:,}" for label, count in sorted(self.agreement.items()))
            lines.append(f"Turns by what teachers said of them: {said}.")
        return "\n".join(lines) + "\n"


def bill(ledger: Ledger, put: Mapping[str, tuple[int, int]]) -> Bill:
    """The bill of a ledger. `put`: questions asked and remembered in this run, by teacher."""
    return Bill(
        ledger.accounts(),
        {name: asked for name, (asked, _) in put.items()},
        {name: remembered for name, (_, remembered) in put.items()},
        ledger.interrupted,
    )
