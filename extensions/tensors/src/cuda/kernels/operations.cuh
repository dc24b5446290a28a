// What each element-wise operation computes: for `unary.cu` and `binary.cu`, and for the kernels that several operations become (`fuse.rs`).
//
// Compiled without contraction to fused multiply-add (`--fmad=false`): an operation gives the same bits alone and beside others.
#pragma once
#include "common.cuh"

LONG_DOUBLE(exp) LONG_DOUBLE(log) LONG_DOUBLE(tanh) LONG_DOUBLE(erf)
LONG(expm1) LONG(log1p) LONG(log2) LONG(log10) LONG(sin) LONG(cos) LONG(tan) LONG(asin) LONG(acos) LONG(atan) LONG(sinh) LONG(cosh)
LONG_TWO(pow) LONG_TWO(fmod) LONG_TWO(atan2)
template <class W> DEVICE W sigmoid_of(W x) { return (W)1 / ((W)1 + long_exp(-x)); }
template <class W> DEVICE W tanh_gelu(W x) {
    const W c = (W)0.79788456080286535588;
    return (W)0.5 * x * ((W)1 + long_tanh(c * (x + (W)0.044715 * x * x * x)));
}
// Sign of the divisor, as Python's `%`.
template <class W> DEVICE W remainder_of(W x, W y) {
    W r = long_fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
CALLED i64 divided(i64 x, i64 y) { return y == 0 ? 0 : y == -1 ? (i64)(0 - (u64)x) : x / y; }
CALLED i64 remainder_of(i64 x, i64 y) {
    if (y == 0 || y == -1) return 0;
    i64 r = x % y;
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
CALLED i64 integer_power(i64 x, i64 n) {
    if (n < 0) return x == 1 ? 1 : x == -1 ? (n % 2 ? -1 : 1) : 0;
    u64 base = (u64)x, result = 1;
    for (; n > 0; n >>= 1) {
        if (n & 1) result *= base;
        base *= base;
    }
    return (i64)result;
}
template <class W> DEVICE W gelu_slope(W x) {
    return (W)0.5 * ((W)1 + long_erf(x * (W)0.70710678118654752440)) + x * (W)0.39894228040143267794 * long_exp((W)-0.5 * x * x);
}
template <class W> DEVICE W tanh_gelu_slope(W x) {
    const W c = (W)0.79788456080286535588;
    W t = long_tanh(c * (x + (W)0.044715 * x * x * x));
    return (W)0.5 * ((W)1 + t) + (W)0.5 * x * ((W)1 - t * t) * c * ((W)1 + (W)0.134145 * x * x);
}
template <class W> DEVICE W silu_slope(W x) {
    W s = sigmoid_of(x);
    return s * ((W)1 + x * ((W)1 - s));
}

// Of one element. name(expression of x in the wide type W, with the parameters p and q)
#define FLOATS_OF_ONE(X) \
    X(neg, -x) X(abs, fabs(x)) X(sign, x > 0 ? (W)1 : x < 0 ? (W)-1 : (W)0) \
    X(exp, long_exp(x)) X(expm1, long_expm1(x)) X(log, long_log(x)) X(log1p, long_log1p(x)) X(log2, long_log2(x)) X(log10, long_log10(x)) \
    X(sqrt, sqrt(x)) X(rsqrt, (W)1 / sqrt(x)) X(square, x * x) X(recip, (W)1 / x) \
    X(sin, long_sin(x)) X(cos, long_cos(x)) X(tan, long_tan(x)) X(asin, long_asin(x)) X(acos, long_acos(x)) X(atan, long_atan(x)) \
    X(sinh, long_sinh(x)) X(cosh, long_cosh(x)) X(tanh, long_tanh(x)) X(erf, long_erf(x)) \
    X(floor, floor(x)) X(ceil, ceil(x)) X(round, rint(x)) X(trunc, trunc(x)) \
    X(sigmoid, sigmoid_of(x)) X(relu, x <= 0 ? (W)0 : x) \
    X(gelu, (W)0.5 * x * ((W)1 + long_erf(x * (W)0.70710678118654752440))) X(gelu_tanh, tanh_gelu(x)) X(silu, x / ((W)1 + long_exp(-x))) \
    X(softplus, (x < 0 ? (W)0 : x) + long_log1p(exp(-fabs(x)))) X(leaky_relu, x > 0 ? x : x * p) X(elu, x > 0 ? x : p * long_expm1(x)) \
    X(affine, x * p + q) X(div_by, x / p) X(div_into, p / x) X(pow, long_pow(x, p)) X(clamp, x < p ? p : x > q ? q : x)
// Integers: all in 64 bits, then cut off.
#define INTEGERS_OF_ONE(X) \
    X(neg, (i64)(0 - (u64)x)) X(abs, x < 0 ? (i64)(0 - (u64)x) : x) X(sign, x > 0 ? 1 : x < 0 ? -1 : 0) X(not, ~x) X(square, (i64)((u64)x * (u64)x)) \
    X(relu, x < 0 ? 0 : x) X(affine, (i64)((u64)x * (u64)p + (u64)q)) X(pow, integer_power(x, p)) X(clamp, x < p ? p : x > q ? q : x)
// Results are Bool.
#define KINDS_OF_ONE(X) X(is_nan, x != x) X(is_inf, x == x && x - x != 0) X(is_finite, x - x == 0)

// Of two elements, with the parameter p.
#define FLOATS_OF_TWO(X) \
    X(add, x + y) X(sub, x - y) X(mul, x * y) X(div, x / y) X(max, x != x || x > y ? x : y) X(min, x != x || x < y ? x : y) \
    X(power, long_pow(x, y)) X(remainder, remainder_of(x, y)) X(atan2, long_atan2(x, y))
#define INTEGERS_OF_TWO(X) \
    X(add, (i64)((u64)x + (u64)y)) X(sub, (i64)((u64)x - (u64)y)) X(mul, (i64)((u64)x * (u64)y)) X(div, divided(x, y)) \
    X(max, x > y ? x : y) X(min, x < y ? x : y) X(power, integer_power(x, y)) X(remainder, remainder_of(x, y)) \
    X(and, x & y) X(or, x | y) X(xor, x ^ y)
#define COMPARISONS(X) X(eq, x == y) X(ne, x != y) X(lt, x < y) X(le, x <= y) X(gt, x > y) X(ge, x >= y)
// Gradients of operations on one element: x is what was saved (input or result, `Unary::gradient_from`), y the result's gradient.
#define GRADIENTS(X) \
    X(relu_back, x <= 0 ? (W)0 : y) X(sigmoid_back, y * x * ((W)1 - x)) X(tanh_back, y * ((W)1 - x * x)) X(exp_back, y * x) \
    X(log_back, y / x) X(sqrt_back, y / ((W)2 * x)) X(square_back, (W)2 * x * y) X(abs_back, x > 0 ? y : x < 0 ? -y : (W)0) \
    X(gelu_back, y * gelu_slope(x)) X(gelu_tanh_back, y * tanh_gelu_slope(x)) X(silu_back, y * silu_slope(x)) \
    X(softplus_back, y * sigmoid_of(x)) X(leaky_relu_back, x > 0 ? y : y * p) X(elu_back, x > 0 ? y : y * p * long_exp(x))

#define ONE_FLOAT(name, expression) template <class W> DEVICE W one_##name(W x, W p, W q) { return expression; }
#define ONE_INTEGER(name, expression) DEVICE i64 one_##name(i64 x, i64 p, i64 q) { return expression; }
#define ONE_KIND(name, expression) template <class W> DEVICE bool one_##name(W x, W p, W q) { return expression; }
#define TWO_FLOAT(name, expression) template <class W> DEVICE W two_##name(W x, W y, W p) { return expression; }
#define TWO_INTEGER(name, expression) DEVICE i64 two_##name(i64 x, i64 y, i64 p) { return expression; }
#define TWO_COMPARED(name, expression) template <class W> DEVICE bool two_##name(W x, W y, W p) { return expression; }
FLOATS_OF_ONE(ONE_FLOAT)
INTEGERS_OF_ONE(ONE_INTEGER)
KINDS_OF_ONE(ONE_KIND)
FLOATS_OF_TWO(TWO_FLOAT)
INTEGERS_OF_TWO(TWO_INTEGER)
COMPARISONS(TWO_COMPARED)
GRADIENTS(TWO_FLOAT)
