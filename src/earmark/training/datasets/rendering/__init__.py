"""Music that earmark composes and plays itself, seeded: plan, score, sound."""
