"""The engines that run a model's networks: numpy, or ONNX Runtime in float32 or in 8-bit integers."""
