// How a kernel goes over the elements of one tensor: for `unary.cu` and `cast.cu`.
#pragma once
#include "common.cuh"

struct UnaryArgs {
    const void *x;
    void *y;
    double p, q;
    u32 packs, whole;
    Shape shape;
    Strides xs;
};

// A thread makes one pack where the last dimension allows it (`packs`), or one element.
template <class T, class R, class F> DEVICE void map(const UnaryArgs &a, F f) {
    constexpr int N = 16 / (sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R));
    const T *x = (const T *)a.x;
    u64 i = a.packs ? thread_number() * N : thread_number();
    if (i >= a.shape.count) return;
    u64 live = a.packs ? a.shape.count - i : 1, step = a.xs.of[a.shape.rank - 1];
    Pack<T, N> in;
    Pack<R, N> out;
    x += offset_of(a.shape, a.xs, i);
    if (live >= N) {
        in = load_pack<T, N>(x, step, a.whole);
    } else {
        // One element, or the end of a tensor of one dimension.
#pragma unroll
        for (int k = 0; k < N; k++)
            if (k < live) in.of[k] = x[k * step];
    }
#pragma unroll
    for (int k = 0; k < N; k++)
        if (k < live) out.of[k] = down<R>(f(up(in.of[k])));
    R *y = (R *)a.y + i;
    if (live >= N) {
        store_pack(y, out);
    } else {
#pragma unroll
        for (int k = 0; k < N; k++)
            if (k < live) y[k] = out.of[k];
    }
}
