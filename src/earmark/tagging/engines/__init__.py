"""What runs a model's networks: numpy, or ONNX Runtime in single precision or in whole numbers of 8 bits."""
