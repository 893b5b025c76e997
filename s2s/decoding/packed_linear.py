"""Linear layers packed for many products of few rows, in fp32, bf16 or int8.

On a CPU this takes operations of oneDNN that torch keeps for its own compiler: they have no documents and may change
with any release. So they are named in this file only, tried once in a process, and where they are missing or give
something else, the plain product takes their place.

N rows, I inputs, O outputs.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

Product = Callable[[Tensor], Tensor]
"""From inputs (N, I) to fp32 outputs (N, O): a matrix and a bias."""
_Pack = Callable[[Tensor, Tensor | None], Product]
_INT8_MAX = 127


def pack_linear(weight_OI: Tensor, bias_O: Tensor | None, dtype: torch.dtype, bound: float) -> Product:
    """A linear layer that is called many times with few rows.

    Args:
        weight_OI: its matrix.
        bias_O: its bias, or None.
        dtype: float32, bfloat16 or int8.
        bound: no input is greater in absolute value; int8 divides this range evenly. It is a constant and not the
            maximum of the actual inputs, so that a result does not depend on the other rows.
    """
    weight_OI = weight_OI.detach().contiguous()
    bias_O = None if bias_O is None else bias_O.detach()
    if dtype is torch.int8:
        return _pack_int8(weight_OI, bias_O, bound)
    pack = _pack_onednn if weight_OI.device.type == "cpu" and _works(dtype) else _pack_plain
    product = pack(weight_OI.to(dtype), None if bias_O is None else bias_O.to(dtype))
    return lambda x_NI: product(x_NI.to(dtype)).float()


def _pack_plain(weight_OI: Tensor, bias_O: Tensor | None) -> Product:
    return lambda x_NI: nn.functional.linear(x_NI, weight_OI, bias_O)


def _pack_onednn(weight_OI: Tensor, bias_O: Tensor | None) -> Product:
    """What torch.compile makes of a linear layer on CPU. For few rows it takes half the time of MKL, or less."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight_OI, None)
    multiply = torch.ops.mkldnn._linear_pointwise
    return lambda x_NI: multiply(x_NI, packed, bias_O, "none", [], "")


def _pack_int8(weight_OI: Tensor, bias_O: Tensor | None, bound: float) -> Product:
    """Weights rounded to 127 steps on either side of 0, a scale a row; inputs to 127 steps on either side of 0."""
    scale_O = (weight_OI.abs().amax(dim=1) / _INT8_MAX).clamp_min(torch.finfo(torch.float32).tiny)
    rounded_OI = (weight_OI / scale_O[:, None]).round().to(torch.int8)
    input_scale, input_zero = bound / _INT8_MAX, _INT8_MAX + 1
    middle = torch.tensor(input_zero + 0.5)  # conversion cuts off what is behind the point
    pack = _pack_onednn_int8 if _works(torch.int8) else _pack_plain_int8
    product = pack(rounded_OI, scale_O, bias_O, input_scale, input_zero)
    return lambda x_NI: product(torch.add(middle, x_NI, alpha=1 / input_scale).to(torch.uint8))


def _pack_plain_int8(
    rounded_OI: Tensor, scale_O: Tensor, bias_O: Tensor | None, input_scale: float, input_zero: int
) -> Product:
    """From steps as uint8 to outputs, with whole numbers in fp32: exact, and no faster than fp32."""
    weight_OI, scale_O = rounded_OI.float(), scale_O * input_scale

    def product(steps_NI: Tensor) -> Tensor:
        output_NO = nn.functional.linear(steps_NI.float() - input_zero, weight_OI) * scale_O
        return output_NO if bias_O is None else output_NO + bias_O

    return product


def _pack_onednn_int8(
    rounded_OI: Tensor, scale_O: Tensor, bias_O: Tensor | None, input_scale: float, input_zero: int
) -> Product:
    """The same with products of 8-bit integers."""
    packed = torch.ops.onednn.qlinear_prepack(rounded_OI, None)
    weights = packed, scale_O, torch.zeros(len(scale_O), dtype=torch.int32), bias_O
    multiply = torch.ops.onednn.qlinear_pointwise

    def product(steps_NI: Tensor) -> Tensor:
        return multiply(steps_NI, input_scale, input_zero, *weights, 1.0, 0, torch.float32, "none", [], "")  # type: ignore[no-any-return]

    return product


@cache
def _works(dtype: torch.dtype) -> bool:
    """Whether this release of torch, on this processor, has oneDNN's product of a type, and it multiplies rightly."""
    if not torch.backends.mkldnn.is_available():
        return False
    rows_NI, weight_OI = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([[3, -2, 1], [0, 5, -7]])
    bias_O = torch.tensor([0.5, -4.0])
    expected_NO = rows_NI @ weight_OI.T + bias_O
    try:
        if dtype is torch.int8:
            multiply = _pack_onednn_int8(weight_OI.to(dtype), torch.ones(2), bias_O, 1.0, 2)
            found_NO = multiply((rows_NI + 2).to(torch.uint8))
        else:
            found_NO = _pack_onednn(weight_OI.to(dtype), bias_O.to(dtype))(rows_NI.to(dtype))
    except (AttributeError, RuntimeError, TypeError):  # not there, not on this processor, or with other arguments
        return False
    return torch.equal(found_NO.float(), expected_NO)  # whole numbers and halves: exact in every type
