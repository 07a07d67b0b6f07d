"""`Metrics`: what the server counts, for Prometheus at `/metrics`.

Labels are routes, statuses and stop reasons, all of them ours: nothing that a client sends becomes one. A registry for
each server, so several in one process do not add up.
"""

from __future__ import annotations

import functools

from toolfinch.caller import Reply
from toolfinch.errors import MissingDependency

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Upper bounds of histogram buckets: from an endpoint nearby that answers at once to a long reply on a laptop."""


class Metrics:
    """May be used from several threads."""

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError as error:
            raise MissingDependency(
                f"serving needs {error.name}", hint="pip install 'toolfinch[serve]'"
            ) from error
        registry = self.registry = CollectorRegistry()

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"toolfinch_{name}", says, labels, registry=registry)

        self._requests = counter("requests", "Requests that were answered.", "route", "status")
        self._replies = counter("replies", "Replies of the model, by why they ended.", "stop")
        self._prompt = counter("prompt_tokens", "Tokens of prompts.")
        self._cached = counter("cached_prompt_tokens", "Tokens of prompts that were not read again.")
        self._written = counter("completion_tokens", "Tokens of replies.")
        self._forced = counter("forced_tokens", "Tokens of replies that the model was not asked for.")
        self._unread = counter("unread_calls", "Calls that could not be read.")
        self._seconds = Histogram(
            "toolfinch_request_duration_seconds",
            "From a request's first byte to its reply's last.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.first_token = Histogram(
            "toolfinch_time_to_first_token_seconds",
            "From a request's first byte to the first word or call of the reply.",
            buckets=SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "toolfinch_requests_in_flight", "Requests that are not answered yet.", registry=registry
        )
        self.waiting = Gauge("toolfinch_requests_waiting", "Replies that wait for a turn.", registry=registry)

        # Finding the counter for some labels takes longer than counting.
        self._counted = functools.cache(self._requests.labels)
        self._timed = functools.cache(self._seconds.labels)

    def answered(self, route: str, status: int, seconds: float) -> None:
        self._counted(route, status).inc()
        self._timed(route).observe(seconds)

    def reply(self, reply: Reply) -> None:
        usage = reply.usage
        self._replies.labels(reply.stop).inc()
        self._prompt.inc(usage.prompt_tokens)
        self._cached.inc(usage.cached_tokens)
        self._written.inc(usage.completion_tokens)
        self._unread.inc(len(reply.unread))
        if reply.signals is not None:
            self._forced.inc(reply.signals.forced)

    def page(self) -> tuple[bytes, str]:
        """All of it as text, and the text's media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST
