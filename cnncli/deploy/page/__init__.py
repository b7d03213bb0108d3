"""The web page of an exported network: static files that need no build step, and ONNX Runtime for browsers."""
