"""Arithmetic on expressions that somebody else wrote: decimal, bounded in time and size, and nothing but arithmetic.

The expression is parsed as Python and walked by hand; only what is listed here is done. Numbers are decimals of 50
digits, so that 0.1 + 0.2 is 0.3 and a power of powers overflows instead of filling memory.
"""

from __future__ import annotations

import ast
import decimal
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias, TypeVar

from shared.domain.errors import Fault, InvalidArgument

MAX_EXPRESSION_CHARACTERS = 1000
MAX_FACTORIAL = 1000
MAX_ARGUMENTS = 100
SHOWN_DIGITS = 30
_DIGITS = 50
_MAX_EXPONENT = 999_999
_PLAIN_EXPONENTS = range(-12, 36)

T = TypeVar("T")
Operation: TypeAlias = Callable[[Decimal, Decimal], Decimal]

_SPELLINGS = str.maketrans(
    {
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{MIDDLE DOT}": "*",
        "\N{DIVISION SIGN}": "/",
        "\N{MINUS SIGN}": "-",
        "\N{SQUARE ROOT}": "sqrt",
        "\N{GREEK SMALL LETTER PI}": "pi",
        "^": "**",
    }
)
_CONSTANTS = {
    "pi": Decimal("3.14159265358979323846264338327950288419716939937511"),
    "e": Decimal("2.71828182845904523536028747135266249775724709369996"),
}


@dataclass(frozen=True, slots=True)
class Calculated:
    """The value of an expression.

    Args:
        text: the value in decimal notation, or with an exponent where it is very large or small.
        exact: whether no digit was rounded off on the way.
    """

    text: str
    exact: bool


def calculate(expression: str) -> Calculated:
    """The value of an arithmetic expression.

    Raises:
        InvalidArgument: it is not one, has no value, or is too long or too large.
    """
    if len(expression) > MAX_EXPRESSION_CHARACTERS:
        raise _refused(f"is longer than {MAX_EXPRESSION_CHARACTERS} characters")
    source = expression.translate(_SPELLINGS).strip()
    context = decimal.Context(
        prec=_DIGITS,
        Emax=_MAX_EXPONENT,
        Emin=-_MAX_EXPONENT,
        traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
    )
    with decimal.localcontext(context) as used:
        try:
            value = _Evaluation(source).value(_parse(source))
            exact = not used.flags[decimal.Inexact]
            return Calculated(_shown(value, exact=exact), exact)
        except decimal.DivisionByZero:
            raise _refused("divides by zero") from None
        except decimal.Overflow:
            raise _refused(f"has a value of more than {_MAX_EXPONENT:,} digits") from None
        except decimal.InvalidOperation:
            raise _refused("has no value, such as the square root of a negative number") from None
        except RecursionError:
            raise _refused("is nested too deeply") from None


def _parse(source: str) -> ast.expr:
    if not source.isascii():
        raise _refused("contains characters that mean nothing here")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python, about what is refused in any case
            return ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError):
        raise _refused("is not arithmetic that can be read") from None


def _shown(value: Decimal, *, exact: bool) -> str:
    rounded = value if exact else decimal.Context(prec=SHOWN_DIGITS, Emax=_MAX_EXPONENT).plus(value)
    if rounded == 0:
        return "0"
    if rounded.adjusted() not in _PLAIN_EXPONENTS:
        return str(rounded.normalize())
    plain = format(rounded, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


class _Evaluation:
    """The walk through one expression."""

    def __init__(self, source: str) -> None:
        self._source = source

    def value(self, node: ast.expr) -> Decimal:
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.Name(id=name):
                return _named(_CONSTANTS, name)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                value = self.value(operand)
                return -value if isinstance(sign, ast.USub) else value
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
                return _OPERATIONS[type(op)](self.value(left), self.value(right))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if len(args) <= MAX_ARGUMENTS:
                return _named(_FUNCTIONS, name)([self.value(argument) for argument in args])
            case ast.Tuple():
                raise _refused("contains a comma outside of a function; write 1000, not 1,000")
            case _:
                raise _refused("contains something that is not arithmetic")

    def _number(self, node: ast.Constant) -> Decimal:
        """The number as it is written: Python's own value has rounded it already."""
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise _refused("contains something that is not a number")
        if isinstance(node.value, int):
            return +Decimal(node.value)
        return +Decimal(self._source[node.col_offset : node.end_col_offset])


def _named(known: Mapping[str, T], name: str) -> T:
    if name not in known:
        names = ", ".join((*_CONSTANTS, *_FUNCTIONS))
        raise _refused(f"names {name!r}, which is not known; there are {names}")
    return known[name]


def _floor_divide(left: Decimal, right: Decimal) -> Decimal:
    quotient = left // right
    return quotient - 1 if left % right and (left < 0) != (right < 0) else quotient


def _modulo(left: Decimal, right: Decimal) -> Decimal:
    """With the divisor's sign, as in mathematics and in Python."""
    rest = left % right
    return rest + right if rest and (rest < 0) != (right < 0) else rest


def _factorial(value: Decimal) -> Decimal:
    if value != value.to_integral_value() or not 0 <= value <= MAX_FACTORIAL:
        raise _refused(f"takes a factorial of something else than a whole number from 0 to {MAX_FACTORIAL}")
    return +Decimal(math.factorial(int(value)))


def _rounded(values: list[Decimal]) -> Decimal:
    digits = values[1] if len(values) > 1 else Decimal(0)
    if digits != digits.to_integral_value() or abs(digits) > _DIGITS:
        raise _refused(f"rounds to something else than a whole number of digits up to {_DIGITS}")
    return values[0].quantize(Decimal(1).scaleb(-int(digits)), decimal.ROUND_HALF_UP)


def _integral(rounding: str) -> Callable[[Decimal], Decimal]:
    return lambda value: value.to_integral_value(rounding)


def _floating(function: Callable[[float], float]) -> Callable[[Decimal], Decimal]:
    """A function that is known to 15 digits only."""

    def apply(value: Decimal) -> Decimal:
        decimal.getcontext().flags[decimal.Inexact] = True
        try:
            return Decimal(repr(function(float(value))))
        except (ValueError, OverflowError):
            raise decimal.InvalidOperation from None

    return apply


def _one(function: Callable[[Decimal], Decimal]) -> Callable[[list[Decimal]], Decimal]:
    return _counted(lambda values: function(values[0]), 1, 1)


def _counted(function: Callable[[list[Decimal]], Decimal], least: int, most: int) -> Callable[[list[Decimal]], Decimal]:
    def apply(values: list[Decimal]) -> Decimal:
        if not least <= len(values) <= most:
            raise _refused(f"gives {len(values)} arguments to a function that takes {least} to {most}")
        return function(values)

    return apply


def _logarithm(values: list[Decimal]) -> Decimal:
    return values[0].ln() if len(values) == 1 else values[0].ln() / values[1].ln()


_OPERATIONS: Mapping[type[ast.operator], Operation] = {
    ast.Add: Decimal.__add__,
    ast.Sub: Decimal.__sub__,
    ast.Mult: Decimal.__mul__,
    ast.Div: Decimal.__truediv__,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _modulo,
    ast.Pow: Decimal.__pow__,
}
_FUNCTIONS: Mapping[str, Callable[[list[Decimal]], Decimal]] = {
    "abs": _one(abs),
    "ceil": _one(_integral(decimal.ROUND_CEILING)),
    "cos": _one(_floating(math.cos)),
    "exp": _one(Decimal.exp),
    "factorial": _one(_factorial),
    "floor": _one(_integral(decimal.ROUND_FLOOR)),
    "ln": _one(Decimal.ln),
    "log": _counted(_logarithm, 1, 2),
    "log10": _one(Decimal.log10),
    "max": _counted(max, 1, MAX_ARGUMENTS),
    "min": _counted(min, 1, MAX_ARGUMENTS),
    "round": _counted(_rounded, 1, 2),
    "sin": _one(_floating(math.sin)),
    "sqrt": _one(Decimal.sqrt),
    "sum": _counted(lambda values: sum(values, Decimal(0)), 0, MAX_ARGUMENTS),
    "tan": _one(_floating(math.tan)),
}
FUNCTION_NAMES = (*_CONSTANTS, *_FUNCTIONS)
"""What an expression may name."""


def _refused(reason: str) -> InvalidArgument:
    return InvalidArgument(f"The expression {reason}.", (Fault("expression", reason),))
