"""Arithmetic for models: exact, bounded, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.arithmetic import MAX_EXPRESSION_CHARACTERS, calculate
from shared.domain.errors import InvalidArgument


@pytest.mark.parametrize(
    ("expression", "result", "exact"),
    [
        ("0.1 + 0.2", "0.3", True),
        ("2 + 3 * 4", "14", True),
        ("(2 + 3) * 4", "20", True),
        ("2 ^ 3 + 1", "9", True),
        ("2 ** 3 ** 2", "512", True),
        ("-2 ** 2", "-4", True),
        ("12 × 3 ÷ 4 − 1", "8", True),  # noqa: RUF001 - what people write
        ("1 / 3", "0.333333333333333333333333333333", False),
        ("1 / 3 * 3", "1", False),
        ("-7 // 2", "-4", True),
        ("-7 % 3", "2", True),
        ("7 % -3", "-2", True),
        ("7 // 2", "3", True),
        ("6 % 3", "0", True),
        ("1_000 * 3", "3000", True),
        ("0x10 + 1", "17", True),
        ("100000000000000000001 * 3", "300000000000000000003", True),
        ("0.12345678901234567890123", "0.12345678901234567890123", True),
        ("1e400 * 1e400", "1E+800", True),
        ("5e-30", "5E-30", True),
        ("10.500", "10.5", True),
        ("0 * -1", "0", True),
        ("round(2.345, 2)", "2.35", False),
        ("round(2.5)", "3", False),
        ("round(1234, -2)", "1200", False),
        ("floor(-1.5) + ceil(1.2)", "0", True),
        ("sqrt(16) + abs(-2)", "6", True),
        ("max(1, 5, 3) - min(4, 2)", "3", True),
        ("sum(1, 2, 3) + sum()", "6", True),
        ("factorial(5)", "120", True),
        ("log10(1000)", "3", True),
        ("log(8, 2)", "3", False),
        ("ln(e)", "1", False),
        ("log(1)", "0", True),
        ("exp(0)", "1", True),
        ("sin(0) + cos(0) + tan(0)", "1", False),
        ("π * 0", "0", True),
    ],
)
def test_an_expression_has_a_value(expression: str, result: str, *, exact: bool) -> None:
    found = calculate(expression)

    assert (found.text, found.exact) == (result, exact)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "is not arithmetic that can be read"),
        ("1 +", "is not arithmetic that can be read"),
        ("1 if 2 else 3", "contains something that is not arithmetic"),
        ("1if 2 else 3", "contains something that is not arithmetic"),
        ("'a' * 3", "contains something that is not a number"),
        ("True + 1", "contains something that is not a number"),
        ("2j", "contains something that is not a number"),
        ("1,000", "contains a comma outside of a function; write 1000, not 1,000"),
        ("x + 1", "names 'x', which is not known"),
        ("__import__('os')", "names '__import__', which is not known"),
        ("(1).real", "contains something that is not arithmetic"),
        ("abs(x=1)", "contains something that is not arithmetic"),
        ("max(*[1])", "contains something that is not arithmetic"),
        ("1 << 3", "contains something that is not arithmetic"),
        ("~1", "contains something that is not arithmetic"),
        ("½", "contains characters that mean nothing here"),
        ("1 / 0", "divides by zero"),
        ("1 // 0", "divides by zero"),
        ("9 ** 9 ** 9 ** 9", "has a value of more than 999,999 digits"),
        ("exp(10 ** 9)", "has a value of more than 999,999 digits"),
        ("sqrt(-1)", "has no value, such as the square root of a negative number"),
        ("cos(1e400)", "has no value, such as the square root of a negative number"),
        ("0 ** 0", "has no value, such as the square root of a negative number"),
        ("factorial(1001)", "takes a factorial of something else than a whole number from 0 to 1000"),
        ("factorial(1.5)", "takes a factorial of something else than a whole number from 0 to 1000"),
        ("round(1, 0.5)", "rounds to something else than a whole number of digits up to 50"),
        ("sqrt()", "gives 0 arguments to a function that takes 1 to 1"),
        ("round(1, 2, 3)", "gives 3 arguments to a function that takes 1 to 2"),
        ("1" * (MAX_EXPRESSION_CHARACTERS + 1), "is longer than 1000 characters"),
        ("(" * 400 + "1" + ")" * 400, "is not arithmetic that can be read"),
    ],
)
def test_what_is_not_arithmetic_is_refused_with_its_reason(expression: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        calculate(expression)

    assert refused.value.message.startswith(f"The expression {reason}")
    assert refused.value.faults[0].path == "expression"


@pytest.mark.parametrize(("minuses", "result"), [(300, "1"), (301, "-1")])
def test_an_expression_may_be_nested(minuses: int, result: str) -> None:
    assert calculate("-" * minuses + "1").text == result


def test_an_expression_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="is nested too deeply"):
        calculate("-" * (MAX_EXPRESSION_CHARACTERS - 1) + "1")


@given(st.text(alphabet="0123456789.+-*/%^() ,eijpsqrtabx_!'\n\0", max_size=60))
def test_any_text_has_a_value_or_is_refused(expression: str) -> None:
    try:
        found = calculate(expression)
    except InvalidArgument:
        return
    assert len(found.text) < 100


@given(st.integers(-(10**20), 10**20), st.integers(-(10**20), 10**20))
def test_sums_and_products_of_whole_numbers_are_pythons(one: int, other: int) -> None:
    assert calculate(f"({one}) + ({other})").text == str(one + other)
    assert calculate(f"({one}) * ({other})").text == str(one * other) or abs(one * other) >= 10**36
    if other:
        assert calculate(f"({one}) // ({other})").text == str(one // other)
        assert calculate(f"({one}) % ({other})").text == str(one % other)
