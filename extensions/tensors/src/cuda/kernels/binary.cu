// Operations on two or three elements with broadcasting: strides of 0 repeat. Results are row-major.
#include "common.cuh"

struct BinaryArgs {
    const void *x, *y;
    void *z;
    double p;
    u32 packs, whole_x, whole_y, unused;
    Shape shape;
    Strides xs, ys;
};

template <class T, class R, class F> DEVICE void map(const BinaryArgs &a, F f) {
    constexpr int N = 16 / (sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R));
    u64 i = a.packs ? thread_number() * N : thread_number();
    if (i >= a.shape.count) return;
    u64 live = a.packs ? a.shape.count - i : 1, at_x, at_y, x_step = a.xs.of[a.shape.rank - 1], y_step = a.ys.of[a.shape.rank - 1];
    offsets_of(a.shape, a.xs, a.ys, i, at_x, at_y);
    const T *x = (const T *)a.x + at_x, *y = (const T *)a.y + at_y;
    Pack<T, N> p, q;
    Pack<R, N> out;
    if (live >= N) {
        p = load_pack<T, N>(x, x_step, a.whole_x);
        q = load_pack<T, N>(y, y_step, a.whole_y);
    } else {
        // One element, or the end of a tensor of one dimension.
#pragma unroll
        for (int k = 0; k < N; k++)
            if (k < live) {
                p.of[k] = x[k * x_step];
                q.of[k] = y[k * y_step];
            }
    }
#pragma unroll
    for (int k = 0; k < N; k++)
        if (k < live) out.of[k] = down<R>(f(up(p.of[k]), up(q.of[k])));
    R *z = (R *)a.z + i;
    if (live >= N) {
        store_pack(z, out);
    } else {
#pragma unroll
        for (int k = 0; k < N; k++)
            if (k < live) z[k] = out.of[k];
    }
}

LONG_DOUBLE(exp) LONG_DOUBLE(tanh) LONG_DOUBLE(erf) LONG_TWO(pow) LONG_TWO(fmod) LONG_TWO(atan2)
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

#define FLOAT_OPERATIONS(X) \
    X(add, x + y) X(sub, x - y) X(mul, x * y) X(div, x / y) X(max, x != x || x > y ? x : y) X(min, x != x || x < y ? x : y) \
    X(power, long_pow(x, y)) X(remainder, remainder_of(x, y)) X(atan2, long_atan2(x, y))
#define INTEGER_OPERATIONS(X) \
    X(add, (i64)((u64)x + (u64)y)) X(sub, (i64)((u64)x - (u64)y)) X(mul, (i64)((u64)x * (u64)y)) X(div, divided(x, y)) \
    X(max, x > y ? x : y) X(min, x < y ? x : y) X(power, integer_power(x, y)) X(remainder, remainder_of(x, y)) \
    X(and, x & y) X(or, x | y) X(xor, x ^ y)
#define COMPARISONS(X) X(eq, x == y) X(ne, x != y) X(lt, x < y) X(le, x <= y) X(gt, x > y) X(ge, x >= y)

// Gradients of operations on one element: x is what was saved (input or result, `Unary::gradient_from`), y the result's gradient.
template <class W> DEVICE W sigmoid_of(W x) { return (W)1 / ((W)1 + long_exp(-x)); }
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
#define GRADIENTS(X) \
    X(relu_back, x <= 0 ? (W)0 : y) X(sigmoid_back, y * x * ((W)1 - x)) X(tanh_back, y * ((W)1 - x * x)) X(exp_back, y * x) \
    X(log_back, y / x) X(sqrt_back, y / ((W)2 * x)) X(square_back, (W)2 * x * y) X(abs_back, x > 0 ? y : x < 0 ? -y : (W)0) \
    X(gelu_back, y * gelu_slope(x)) X(gelu_tanh_back, y * tanh_gelu_slope(x)) X(silu_back, y * silu_slope(x)) \
    X(softplus_back, y * sigmoid_of(x)) X(leaky_relu_back, x > 0 ? y : y * p) X(elu_back, x > 0 ? y : y * p * long_exp(x))

#define ONE(T, R, name, expression) \
    struct F_##name##_##T { \
        typedef Wide<T>::type W; \
        W p; \
        __device__ auto operator()(W x, W y) const { return expression; } \
    }; \
    KERNEL(name##_##T, BinaryArgs) { map<T, R>(a, F_##name##_##T{(Wide<T>::type)a.p}); }
#define X16(name, e) ONE(f16, f16, name, e)
#define XB16(name, e) ONE(bf16, bf16, name, e)
#define X32(name, e) ONE(f32, f32, name, e)
#define X64(name, e) ONE(f64, f64, name, e)
#define XU8(name, e) ONE(u8, u8, name, e)
#define XI32(name, e) ONE(i32, i32, name, e)
#define XI64(name, e) ONE(i64, i64, name, e)
#define XBOOL(name, e) ONE(boolean, boolean, name, e)
FLOAT_OPERATIONS(X16)
GRADIENTS(X16)
FLOAT_OPERATIONS(XB16)
GRADIENTS(XB16)
FLOAT_OPERATIONS(X32)
GRADIENTS(X32)
FLOAT_OPERATIONS(X64)
GRADIENTS(X64)
INTEGER_OPERATIONS(XU8)
INTEGER_OPERATIONS(XI32)
INTEGER_OPERATIONS(XI64)
INTEGER_OPERATIONS(XBOOL)

#define C16(name, e) ONE(f16, boolean, name, e)
#define CB16(name, e) ONE(bf16, boolean, name, e)
#define C32(name, e) ONE(f32, boolean, name, e)
#define C64(name, e) ONE(f64, boolean, name, e)
#define CU8(name, e) ONE(u8, boolean, name, e)
#define CI32(name, e) ONE(i32, boolean, name, e)
#define CI64(name, e) ONE(i64, boolean, name, e)
#define CBOOL(name, e) ONE(boolean, boolean, name, e)
COMPARISONS(C16)
COMPARISONS(CB16)
COMPARISONS(C32)
COMPARISONS(C64)
COMPARISONS(CU8)
COMPARISONS(CI32)
COMPARISONS(CI64)
COMPARISONS(CBOOL)

// ---- selection: by the size of an element, for its type does not matter -----------------------------------------------------------
struct SelectArgs {
    const void *mask, *x, *y;
    void *z;
    Shape shape;
    Strides ms, xs, ys;
};
template <class T> DEVICE void select(const SelectArgs &a) {
    u64 i = thread_number();
    if (i >= a.shape.count) return;
    u64 at_x, at_y;
    offsets_of(a.shape, a.xs, a.ys, i, at_x, at_y);
    ((T *)a.z)[i] = ((const boolean *)a.mask)[offset_of(a.shape, a.ms, i)] ? ((const T *)a.x)[at_x] : ((const T *)a.y)[at_y];
}
KERNEL(select_1, SelectArgs) { select<u8>(a); }
KERNEL(select_2, SelectArgs) { select<unsigned short>(a); }
KERNEL(select_4, SelectArgs) { select<u32>(a); }
KERNEL(select_8, SelectArgs) { select<u64>(a); }
