"""MATLAB 5 files: every declared size is compared with the bytes that are there.

scipy makes arrays of the sizes that it reads before it looks for their contents. The format:
MathWorks, MAT-File Format, "Level 5 MAT-File Format".
"""

import math
import struct
import zlib

LARGEST = 2**26  # bytes, compressed or not: a file of the sampler has some kilobytes
DEEPEST = 8  # structures in structures: the sampler's have one

HEADER = 128
BYTE_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}  # by version and endian indicator
MATRIX, COMPRESSED, INT8, INT32, UINT32 = 14, 15, 1, 5, 6  # types of elements
ITEM_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # numbers, by type
TEXT_TYPES = {1, 2, 4, 16, 17, 18}
CELL, STRUCTURE, TEXT, NUMBERS = 1, 2, 4, range(6, 16)  # classes of arrays
COMPLEX = 0x0800
LARGEST_RANK = 32
LONGEST_FIELD = 64  # a field's name, its closing zero included


def uncompressed(content: bytes) -> bytes:
    """The file without compression, all that it declares checked.

    Numbers, text, cells and structures are accepted. Raises ValueError if a size is not that of
    the bytes that are there, and for all other classes: objects, functions, sparse.
    """
    order = BYTE_ORDERS.get(content[HEADER - 4 : HEADER])
    if order is None:
        raise ValueError("it has no header of MATLAB 5")
    parts = [content[:HEADER]]
    room = LARGEST
    rest = memoryview(content)[HEADER:]
    while rest:
        kind, data, rest = _element(rest, order, padded=False)
        if kind == COMPRESSED:
            kind, data, _ = _element(_inflated(data, room), order, padded=False)
        if kind != MATRIX:
            raise ValueError(f"an element of type {kind} is in place of an array")
        room -= len(data)
        if room < 0:
            raise ValueError(f"its arrays have more than {LARGEST} B")
        _check_array(data, order, depth=0)
        parts += [struct.pack(order + "II", MATRIX, len(data)), data]
    return b"".join(parts)


def _element(
    rest: memoryview, order: str, padded: bool = True
) -> tuple[int, memoryview, memoryview]:
    """The type and the data of the first element, and what follows it."""
    if len(rest) < 8:
        raise ValueError("an element is cut off")
    kind, size = struct.unpack_from(order + "II", rest)
    if kind >> 16:  # a small element: size, type and at most four bytes of data in one
        kind, size, start, end = kind & 0xFFFF, kind >> 16, 4, 8
        if size > 4:
            raise ValueError("a small element declares more than 4 B")
    else:
        start, end = 8, 8 + (size + 7 & ~7 if padded else size)
    if start + size > len(rest):
        raise ValueError(f"an element declares {size} B, there are {len(rest) - start}")
    return kind, rest[start : start + size], rest[end:]


def _inflated(data: memoryview, room: int) -> memoryview:
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(data, room + 1)
    except zlib.error as error:
        raise ValueError(f"an array cannot be unpacked: {error}") from error
    if len(content) > room:
        raise ValueError(f"its arrays have more than {LARGEST} B")
    if not unpacking.eof:
        raise ValueError("a compressed array is cut off")
    return memoryview(content)


def _check_array(data: memoryview, order: str, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError(f"its arrays lie more than {DEEPEST} deep in each other")
    kind, flags, rest = _element(data, order)
    if (kind, len(flags)) != (UINT32, 8):
        raise ValueError("an array begins without its flags")
    kind, dimensions, rest = _element(rest, order)
    rank, odd = divmod(len(dimensions), 4)
    if kind != INT32 or odd or not 2 <= rank <= LARGEST_RANK:
        raise ValueError("an array lacks its dimensions")
    count = _product(struct.unpack(f"{order}{rank}i", dimensions))
    kind, _, rest = _element(rest, order)
    if kind != INT8:
        raise ValueError("an array lacks its name")

    (word,) = struct.unpack_from(order + "I", flags)
    array_class = word & 0xFF
    if array_class in NUMBERS:
        for _ in range(2 if word & COMPLEX else 1):
            rest = _check_numbers(rest, order, count)
    elif array_class == TEXT:
        _check_text(rest, order, count)
    elif array_class == CELL:
        _check_members(rest, order, count, depth)
    elif array_class == STRUCTURE:
        fields, rest = _fields(rest, order)
        _check_members(rest, order, count * fields, depth)
    else:
        raise ValueError(f"an array is of class {array_class}, which no sampler writes")


def _product(dimensions: tuple[int, ...]) -> int:
    count = math.prod(dimensions)
    # a zero hides others, of which numpy makes a shape too
    if min(dimensions) < 0 or max(dimensions) > LARGEST or count > LARGEST:
        raise ValueError("an array has absurd dimensions")
    return count


def _check_numbers(rest: memoryview, order: str, count: int) -> memoryview:
    kind, numbers, rest = _element(rest, order)
    if len(numbers) != count * ITEM_SIZES.get(kind, math.inf):
        raise ValueError(f"an array of {count} numbers has {len(numbers)} B of type {kind}")
    return rest


def _check_text(rest: memoryview, order: str, count: int) -> None:
    kind, characters, _ = _element(rest, order)
    if kind not in TEXT_TYPES or count > len(characters):
        raise ValueError(f"a text of {count} characters has {len(characters)} B of type {kind}")


def _fields(rest: memoryview, order: str) -> tuple[int, memoryview]:
    """How many fields a structure has, and what follows their names."""
    kind, length, rest = _element(rest, order)
    if (kind, len(length)) != (INT32, 4):
        raise ValueError("a structure lacks its fields")
    (length,) = struct.unpack(order + "i", length)
    _, names, rest = _element(rest, order)
    if not 1 <= length <= LONGEST_FIELD or len(names) % length:
        raise ValueError(f"a structure has {len(names)} B of names of {length} B")
    return len(names) // length, rest


def _check_members(rest: memoryview, order: str, count: int, depth: int) -> None:
    for _ in range(count):
        kind, member, rest = _element(rest, order)
        if kind != MATRIX:
            raise ValueError(f"an element of type {kind} is in place of an array")
        if member:  # one without bytes is an empty array
            _check_array(member, order, depth + 1)
