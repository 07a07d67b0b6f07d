"""Real people, organisations, ids and secrets out of a log, and the proof that they are: entities are known from a
roster, from structured fields and by detectors, replaced by keyed pseudonyms, and looked for again by the gate."""
