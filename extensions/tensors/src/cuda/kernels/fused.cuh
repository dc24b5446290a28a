// How a kernel of several operations (its text is `source.rs`'s) reads and writes packs whose end may be beyond the tensor's.
#pragma once
#include "operations.cuh"

template <class T, int N> DEVICE Pack<T, N> load_live(const T *x, u64 step, u32 whole, u64 live) {
    if (live >= N) return load_pack<T, N>(x, step, whole);
    Pack<T, N> p;
#pragma unroll
    for (int k = 0; k < N; k++)
        if (k < live) p.of[k] = x[k * step];
    return p;
}
template <class T, int N> DEVICE void store_live(T *y, const Pack<T, N> &p, u64 live) {
    if (live >= N) return store_pack(y, p);
#pragma unroll
    for (int k = 0; k < N; k++)
        if (k < live) y[k] = p.of[k];
}
