"""What all tests share: property tests have no time limit, since machines are shared and noisy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("toolfinch", deadline=None)
settings.load_profile("toolfinch")
