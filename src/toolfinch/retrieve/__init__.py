"""An index over many tools: which of them may fit a request."""
