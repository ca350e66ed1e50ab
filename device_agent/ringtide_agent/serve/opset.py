"""The opset of a graph, read from the bytes without parsing the rest of it.

An ONNX file is a protobuf `ModelProto`; its field 8 lists `OperatorSetIdProto{domain = 1, version = 2}`
(onnx/onnx.proto). Every other field is stepped over.
"""

from collections.abc import Iterator

from ringtide_contract.errors import InputError

_OPSET_IMPORT, _DOMAIN, _VERSION = 8, 1, 2
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def default_opset(graph: bytes) -> int:
    """Return the version of the default domain that a graph imports.

    Raises:
        InputError: Not an ONNX model, or it imports no default domain.
    """
    found = 0
    for number, value in _fields(memoryview(graph)):
        if number == _OPSET_IMPORT and isinstance(value, memoryview):
            members = dict(_fields(value))
            domain, version = members.get(_DOMAIN, b""), members.get(_VERSION, 0)
            if not isinstance(domain, int) and bytes(domain) in (b"", b"ai.onnx") and isinstance(version, int):
                found = max(found, version)
    if not found:
        raise InputError("not an ONNX model: it imports no opset of the default domain")
    return found


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield number, value
            continue
        if kind == _LENGTH:
            size, position = _varint(content, position)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise InputError("not an ONNX model: no protobuf")
        if position + size > len(content):
            raise InputError("not an ONNX model: it is cut off")
        yield number, content[position : position + size]
        position += size


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            raise InputError("not an ONNX model: it is cut off")
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise InputError("not an ONNX model: no protobuf")
