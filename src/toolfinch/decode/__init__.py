"""From next-token logits to a reply: one generation loop for every engine."""
