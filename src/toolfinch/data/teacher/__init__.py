"""Asking bigger models: for a better label of a logged turn, or for new conversations. Every paid request is in the
ledger, and a teacher sees only what has passed the gate."""
