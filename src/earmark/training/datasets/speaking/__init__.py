"""Synthesised and recorded speech, and the effects of rooms, telephones and other sound."""
