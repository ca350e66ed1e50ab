"""What runs inside the worker processes: the inference service and the probe.

Diet: the parts of the contract that need no cryptography, h11, numpy and onnxruntime. `onnx_session` is the only door
to onnxruntime; `control` is the only module that the supervisor shares, and it needs the standard library alone.

Reading order: `control` (what the supervisor says), `sandbox`, `onnx_session`, `tensors` (the wire), `lineup` (what
serves now), `inference` (one request), `endpoints` and `http_server` (the protocol), `worker` and `probe` (entries).
"""
