"""Sound that arrives over time: from a pipe, an HTTP address or a microphone."""
