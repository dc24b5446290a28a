"""Small ONNX models with what onnxruntime makes of them: `python onnx_models.py FOLDER`. The results are committed (onnx 1.23, onnxruntime 1.31)."""
import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

folder = pathlib.Path(sys.argv[1])
random = numpy.random.default_rng(5)
out = {}


def save(name, nodes, inputs, outputs, weights, given):
    graph = helper.make_graph(nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="ochre")
    model.ir_version = 9
    onnx.checker.check_model(model)
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for key, value in given.items():
        out[f"{name}/in/{key}"] = value
    for key, value in zip([o.name for o in session.get_outputs()], session.run(None, given)):
        out[f"{name}/out/{key}"] = value


value = helper.make_tensor_value_info
f32 = lambda *shape: random.standard_normal(shape).astype("f4")

save(
    "pictures",
    [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "v", "d"], ["y"], transB=1),
        helper.make_node("Softmax", ["y"], ["probabilities"], axis=1),
    ],
    [value("x", TensorProto.FLOAT, ["batch", 3, 8, 8])],
    [value("probabilities", TensorProto.FLOAT, ["batch", 5])],
    {"w": f32(4, 3, 3, 3), "b": f32(4), "v": f32(5, 64) / 8, "d": f32(5)},
    {"x": f32(3, 3, 8, 8)},
)
save(
    "words",
    [
        helper.make_node("Gather", ["table", "words"], ["g"], axis=0),
        helper.make_node("ReduceMean", ["g"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["scaled"]),
        helper.make_node("ArgMax", ["scaled"], ["best"], axis=1, keepdims=0),
    ],
    [value("words", TensorProto.INT64, ["batch", "length"]), value("scale", TensorProto.FLOAT, [1, 6])],
    [value("scaled", TensorProto.FLOAT, ["batch", 6]), value("best", TensorProto.INT64, ["batch"])],
    {"table": f32(11, 6)},
    {"words": random.integers(0, 11, (2, 4)), "scale": f32(1, 6)},
)
numpy.savez_compressed(folder / "onnx.npz", **out)
