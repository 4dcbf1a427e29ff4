"""Values that are easy to get wrong, by type; and plain ones, known from their row number alone."""

import struct

import numpy as np

I64_MIN, I64_MAX = -(2**63), 2**63 - 1

INTEGERS = {
    "INT8": [0, 1, -1, -128, 127],
    "INT16": [0, 1, -1, -32768, 32767],
    "INT32": [0, 1, -1, -(2**31), 2**31 - 1],
    # Neither 2^53+1 nor its neighbours survive a double.
    "INT64": [0, 1, -1, I64_MIN, I64_MAX, 2**53 + 1, -(2**53) - 1, 2**31],
}


def f32(value):
    """The nearest float32, as a Python float."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


FLOATS = [
    0.0, -0.0, f32(0.1), f32(1 / 3), 1.0, -1.0, 16777216.0,
    f32(1.4e-45), f32(-1.4e-45),  # the smallest denormals
    f32(1.1754942e-38),  # the largest denormal
    f32(1.1754944e-38),  # the smallest normal
    f32(3.4028234e38), f32(-3.4028234e38),
]  # fmt: skip

DOUBLES = [
    0.0, -0.0, 0.1, 1 / 3, 1.0, -1.0, 9007199254740991.0, 1e-7, 1e22, 123456.789e3,
    5e-324, -5e-324, 2.225073858507201e-308, 2.2250738585072014e-308,
    1.7976931348623157e308, -1.7976931348623157e308,
]  # fmt: skip

TEXTS = [
    "", " ", "  leading", "trailing  ", "\t", "tab\there", "new\nline", "\r\n", "carriage\rreturn",
    'double"quote', "single'quote", "'\"`", "back\\slash", "\\", "\\\\", "\\n is no newline", "\\'", '\\"',
    "null", "NULL", "None", "true", "0", "-1", "1e5", "%s %d", "{x}", "${HOME}", "$meta", "a,b;c|d", "//", "../..", "*", "?",
    "ünïcödé", "e\u0301 is not \u00e9", "\u00e9", "日本語", "العربية", "😀", "👩‍👩‍👧‍👦", "𝔘𝔫𝔦", "\u200b", "\ufeffbom", "\u2028", "\u0001", "\u007f",
    "id in ['a'] || true", "zz", "a", "A", "aa", "ab",
]  # fmt: skip

JSONS = [
    {}, {"a": None}, {"a": True, "b": False}, {"i": 2**53 + 1}, {"i": I64_MIN, "j": I64_MAX},
    {"f": 0.1, "g": 1.0, "h": -0.0, "tiny": 5e-324, "huge": 1.7976931348623157e308},
    {"s": "", "quote\"d": "back\\slash", "new\nline": "\t"}, {"ключ": "значение", "😀": "👩‍👩‍👧‍👦"},
    {"nested": {"list": [1, 2.5, "three", None, [True, {"deep": []}]]}}, {"": "empty key"},
    {"z": 1, "a": 2, "m": 3}, {"long": "x" * 5000}, {"unicode": "\u0001\u2028\ufeff"},
]  # fmt: skip


def cycle(values, row):
    """Row 0 has the first value, and so on, again and again."""
    return values[row % len(values)]


def vector(row, dim, seed=0):
    """A float32 vector; the first rows hold the extremes."""
    if row < len(FLOATS):
        # Never all zeros, which the cosine does not know.
        return np.resize(np.array(FLOATS[row:] + FLOATS[:row], dtype=np.float32), dim)
    return plain_vectors(row, 1, dim, seed)[0]


def plain_vectors(first, count, dim, seed=0):
    """Float32 vectors in [-1, 1) of consecutive rows; each depends on its row number alone."""
    cells = np.arange(first * dim, (first + count) * dim, dtype=np.uint64) + np.uint64(seed << 40)
    # The finaliser of splitmix64.
    cells = (cells + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    cells = (cells ^ (cells >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    cells = (cells ^ (cells >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    cells ^= cells >> np.uint64(31)
    unit = (cells >> np.uint64(40)).astype(np.float32) * np.float32(2**-23)
    return (unit - np.float32(1)).reshape(count, dim)


def binary_vector(row, dim):
    """`dim` bits as bytes; the first rows are all zeros and all ones."""
    if row < 2:
        return bytes([255 * row]) * (dim // 8)
    return (plain_vectors(row, 1, dim // 8, 7)[0] * 127).astype(np.int8).tobytes()


def float16_vector(row, dim):
    """Little-endian float16: the extremes of that type, then plain ones."""
    extremes = [0.0, -0.0, 6e-8, -6e-8, 6.1e-05, 65504.0, -65504.0, 1.0]
    values = np.resize(extremes, dim) if row == 0 else plain_vectors(row, 1, dim, 16)[0]
    return values.astype("<f2").tobytes()


def bfloat16_vector(row, dim):
    """Little-endian bfloat16: the upper halves of float32."""
    extremes = [0.0, -0.0, 1e-40, -1e-40, 1.2e-38, 3.3e38, -3.3e38, 1.0]
    values = np.resize(extremes, dim) if row == 0 else plain_vectors(row, 1, dim, 17)[0]
    return (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()


def sparse_vector(row):
    """Index to value: one entry, the largest index, or some."""
    if row == 0:
        return {0: f32(0.5)}
    if row == 1:
        return {2**32 - 2: 1.0, 7: f32(1.4e-45), 3: f32(3.4028234e38)}
    return {(row * 7919 * k) % 1000003: f32(k / (row + 1)) for k in range(1, 2 + row % 20)}


def array(element, row):
    """An array of a scalar type: empty, one, some, eight."""
    length = [0, 1, 3, 8][row % 4]
    source = {**INTEGERS, "BOOL": [True, False], "FLOAT": FLOATS, "DOUBLE": DOUBLES, "VARCHAR": TEXTS}[element]
    return [cycle(source, row + k) for k in range(length)]
