"""From a trained model to an artifact: merge, write GGUF, check it, describe it (`bundle.export`)."""
