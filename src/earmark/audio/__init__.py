"""Reading sound, and turning it into log-mel frames and segments."""
