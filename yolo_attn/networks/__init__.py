"""Networks and heads that are rows of a model YAML, and are not attention."""
