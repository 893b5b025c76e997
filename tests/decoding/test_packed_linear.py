"""A packed product is that of the layer, with oneDNN's own operations and without them."""

import math
from collections.abc import Iterator

import pytest
import torch

from s2s.decoding import packed_linear
from s2s.decoding.packed_linear import pack_linear
from s2s.device import BF16_FLAGS, INT8_FLAGS, cpu_has

needs_int8 = pytest.mark.skipif(not cpu_has(INT8_FLAGS), reason="the processor has no products of 8-bit integers")
TYPES = [
    torch.float32,
    pytest.param(torch.bfloat16, marks=pytest.mark.skipif(not cpu_has(BF16_FLAGS), reason="the processor has no bf16")),
    pytest.param(torch.int8, marks=needs_int8),
]


@pytest.fixture(autouse=True)
def probed_anew() -> Iterator[None]:
    packed_linear._works.cache_clear()
    yield
    packed_linear._works.cache_clear()


class Missing:
    """Of torch.ops in a release that has none of the operations that are private to it."""

    def __getattr__(self, name: str) -> object:
        raise AttributeError(f"no {name}")


def without_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    packed_linear._works.cache_clear()
    monkeypatch.setattr(torch.ops, "mkldnn", Missing())
    monkeypatch.setattr(torch.ops, "onednn", Missing())


@needs_int8
def test_int8_products_round_inputs_and_weights_to_127_steps() -> None:
    weights = torch.tensor([[1.27, -0.64, 0.0], [0.5, 0.25, -0.5]])
    product = pack_linear(weights, torch.tensor([0.5, -math.inf]), torch.int8, 2.0)
    # The first row's step is 0.01; the inputs' 2 / 127, so that 1.0 becomes 64 steps (63.5 is rounded up) and -2 -127.
    expected = (127 * 64 - 64 * -127) * 0.01 * 2 / 127 + 0.5
    assert product(torch.tensor([[1.0, -2.0, 0.3]])).tolist() == [[pytest.approx(expected), -math.inf]]


@needs_int8
def test_an_int8_product_of_a_row_does_not_depend_on_the_others() -> None:
    generator = torch.Generator().manual_seed(1)
    product = pack_linear(torch.randn(13, 7, generator=generator), None, torch.int8, 1.0)
    rows = torch.randn(5, 7, generator=generator).tanh()
    assert torch.equal(torch.cat([product(row[None]) for row in rows]), product(rows))


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("dtype", TYPES)
def test_this_torch_has_the_operations(dtype: torch.dtype) -> None:
    assert packed_linear._works(dtype)


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
def test_without_the_operations_the_numbers_are_the_same(
    dtype: torch.dtype, has_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(5)
    weight_OI, rows_NI = torch.randn(13, 7, generator=generator), torch.randn(3, 7, generator=generator).tanh()
    bias_O = torch.randn(13, generator=generator) if has_bias else None
    expected_NO = pack_linear(weight_OI, bias_O, dtype, 1.0)(rows_NI)
    without_operations(monkeypatch)
    assert not packed_linear._works(dtype)
    found_NO = pack_linear(weight_OI, bias_O, dtype, 1.0)(rows_NI)
    assert found_NO.dtype is torch.float32
    # bf16 outputs are rounded to 8 bits, by sums in another order.
    assert torch.allclose(found_NO, expected_NO, rtol=2**-7 if dtype is torch.bfloat16 else 1e-5, atol=1e-5)


@pytest.mark.parametrize("change", ["other arguments", "other numbers"])
@pytest.mark.parametrize("dtype", TYPES)
def test_operations_that_have_changed_are_not_used(
    dtype: torch.dtype, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def multiply(*arguments: object) -> torch.Tensor:
        if change == "other arguments":
            raise RuntimeError("expected at most 5 arguments")
        return torch.zeros(2, 2)

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", multiply)
    monkeypatch.setattr(torch.ops.onednn, "qlinear_pointwise", multiply)
    assert not packed_linear._works(dtype)
    product = pack_linear(torch.tensor([[1.0, 0.5]]), None, dtype, 1.0)
    assert product(torch.tensor([[1.0, 1.0]])).item() == pytest.approx(1.5, abs=0.01)
