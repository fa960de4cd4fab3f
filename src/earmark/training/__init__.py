"""How a model comes to be: datasets, networks, the training loop, evaluation."""
