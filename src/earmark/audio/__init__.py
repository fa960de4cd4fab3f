"""Sound in: decoding, the log-mel front end, segments."""
