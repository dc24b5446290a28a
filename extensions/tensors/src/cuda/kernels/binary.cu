// Operations on two or three elements with broadcasting: strides of 0 repeat. Results are row-major.
#include "operations.cuh"

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

#define KERNEL_OF(T, R, name) \
    struct F_##name##_##T { \
        typedef Wide<T>::type W; \
        W p; \
        __device__ auto operator()(W x, W y) const { return two_##name(x, y, p); } \
    }; \
    KERNEL(name##_##T, BinaryArgs) { map<T, R>(a, F_##name##_##T{(Wide<T>::type)a.p}); }
#define X16(name, e) KERNEL_OF(f16, f16, name)
#define XB16(name, e) KERNEL_OF(bf16, bf16, name)
#define X32(name, e) KERNEL_OF(f32, f32, name)
#define X64(name, e) KERNEL_OF(f64, f64, name)
#define XU8(name, e) KERNEL_OF(u8, u8, name)
#define XI32(name, e) KERNEL_OF(i32, i32, name)
#define XI64(name, e) KERNEL_OF(i64, i64, name)
#define XBOOL(name, e) KERNEL_OF(boolean, boolean, name)
FLOATS_OF_TWO(X16)
GRADIENTS(X16)
FLOATS_OF_TWO(XB16)
GRADIENTS(XB16)
FLOATS_OF_TWO(X32)
GRADIENTS(X32)
FLOATS_OF_TWO(X64)
GRADIENTS(X64)
INTEGERS_OF_TWO(XU8)
INTEGERS_OF_TWO(XI32)
INTEGERS_OF_TWO(XI64)
INTEGERS_OF_TWO(XBOOL)

#define C16(name, e) KERNEL_OF(f16, boolean, name)
#define CB16(name, e) KERNEL_OF(bf16, boolean, name)
#define C32(name, e) KERNEL_OF(f32, boolean, name)
#define C64(name, e) KERNEL_OF(f64, boolean, name)
#define CU8(name, e) KERNEL_OF(u8, boolean, name)
#define CI32(name, e) KERNEL_OF(i32, boolean, name)
#define CI64(name, e) KERNEL_OF(i64, boolean, name)
#define CBOOL(name, e) KERNEL_OF(boolean, boolean, name)
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
