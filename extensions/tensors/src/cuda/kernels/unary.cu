// Operations on one element. Results are row-major; inputs have any strides.
#include "element.cuh"

LONG_DOUBLE(exp) LONG_DOUBLE(log) LONG_DOUBLE(tanh) LONG_DOUBLE(erf)
LONG(expm1) LONG(log1p) LONG(log2) LONG(log10) LONG(sin) LONG(cos) LONG(tan) LONG(asin) LONG(acos) LONG(atan) LONG(sinh) LONG(cosh)
LONG_TWO(pow)
template <class W> DEVICE W sigmoid_of(W x) { return (W)1 / ((W)1 + long_exp(-x)); }
template <class W> DEVICE W tanh_gelu(W x) {
    const W c = (W)0.79788456080286535588;
    return (W)0.5 * x * ((W)1 + long_tanh(c * (x + (W)0.044715 * x * x * x)));
}

// name(expression of x in the wide type W, with the parameters p and q)
#define FLOAT_OPERATIONS(X) \
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

#define ONE_FLOAT(T, name, expression) \
    struct F_##name##_##T { \
        typedef Wide<T>::type W; \
        W p, q; \
        __device__ W operator()(W x) const { return expression; } \
    }; \
    KERNEL(name##_##T, UnaryArgs) { typedef Wide<T>::type W; map<T, T>(a, F_##name##_##T{(W)a.p, (W)a.q}); }
#define X16(name, e) ONE_FLOAT(f16, name, e)
#define XB16(name, e) ONE_FLOAT(bf16, name, e)
#define X32(name, e) ONE_FLOAT(f32, name, e)
#define X64(name, e) ONE_FLOAT(f64, name, e)
FLOAT_OPERATIONS(X16)
FLOAT_OPERATIONS(XB16)
FLOAT_OPERATIONS(X32)
FLOAT_OPERATIONS(X64)

template <class W> struct IsNan { __device__ bool operator()(W x) const { return x != x; } };
template <class W> struct IsInf { __device__ bool operator()(W x) const { return x == x && x - x != 0; } };
template <class W> struct IsFinite { __device__ bool operator()(W x) const { return x - x == 0; } };
#define KINDS(T) \
    KERNEL(is_nan_##T, UnaryArgs) { map<T, boolean>(a, IsNan<Wide<T>::type>{}); } \
    KERNEL(is_inf_##T, UnaryArgs) { map<T, boolean>(a, IsInf<Wide<T>::type>{}); } \
    KERNEL(is_finite_##T, UnaryArgs) { map<T, boolean>(a, IsFinite<Wide<T>::type>{}); }
FLOATS(KINDS)

// Integers: all in 64 bits, then cut off.
CALLED i64 integer_power(i64 x, i64 n) {
    if (n < 0) return x == 1 ? 1 : x == -1 ? (n % 2 ? -1 : 1) : 0;
    u64 base = (u64)x, result = 1;
    for (; n > 0; n >>= 1) {
        if (n & 1) result *= base;
        base *= base;
    }
    return (i64)result;
}
#define INTEGER_OPERATIONS(X) \
    X(neg, (i64)(0 - (u64)x)) X(abs, x < 0 ? (i64)(0 - (u64)x) : x) X(sign, x > 0 ? 1 : x < 0 ? -1 : 0) X(not, ~x) X(square, (i64)((u64)x * (u64)x)) \
    X(relu, x < 0 ? 0 : x) X(affine, (i64)((u64)x * (u64)p + (u64)q)) X(pow, integer_power(x, p)) X(clamp, x < p ? p : x > q ? q : x)
#define ONE_INTEGER(T, name, expression) \
    struct F_##name##_##T { \
        i64 p, q; \
        __device__ i64 operator()(i64 x) const { return expression; } \
    }; \
    KERNEL(name##_##T, UnaryArgs) { map<T, T>(a, F_##name##_##T{down<i64>(a.p), down<i64>(a.q)}); }
#define XU8(name, e) ONE_INTEGER(u8, name, e)
#define XI32(name, e) ONE_INTEGER(i32, name, e)
#define XI64(name, e) ONE_INTEGER(i64, name, e)
INTEGER_OPERATIONS(XU8)
INTEGER_OPERATIONS(XI32)
INTEGER_OPERATIONS(XI64)

struct NotBoolean { __device__ i64 operator()(i64 x) const { return !x; } };
KERNEL(not_boolean, UnaryArgs) { map<boolean, boolean>(a, NotBoolean{}); }
