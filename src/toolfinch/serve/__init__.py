"""A model behind OpenAI's chat completions and responses: `run.serve` for a process, `run.background` for a test."""
