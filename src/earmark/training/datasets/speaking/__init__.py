"""Speech that programs read aloud, and what rooms, telephones and other sound make of it."""
