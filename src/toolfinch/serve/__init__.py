"""A model behind the OpenAI chat completions API: `run.serve` for a process, `run.background` for a test."""
