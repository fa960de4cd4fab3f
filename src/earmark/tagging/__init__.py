"""Tags out: a trained model on disk, run with numpy alone."""
