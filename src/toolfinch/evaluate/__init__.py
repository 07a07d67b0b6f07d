"""Suites, runs, figures with intervals, and reports. The score itself is `toolfinch.score`."""
