// Batch normalisation over `[N, C, S]`, row-major: each channel has `N * S` elements, of which `S` lie together.
#include "common.cuh"

struct NormArgs {
    const void *x, *dy;
    void *out;
    // All in the wide type, one for each channel.
    const void *weight, *bias;
    void *mean, *rstd;
    // Sums of parts, `[C, parts, 2]`, and what becomes of them.
    void *sums;
    void *weight_out, *bias_out;
    u64 batch, channels, plane, part, parts;
    double epsilon;
    // `plane` is a multiple of a pack; statistics are the batch's own.
    u32 packs, own;
};

// Calls f(place in x) for this block's part of a channel; `N` elements at a time lie together.
template <int N, class F> DEVICE void each(const NormArgs &a, u64 channel, F f) {
    u64 count = a.batch * a.plane, first = (u64)blockIdx.y * a.part, last = first + a.part < count ? first + a.part : count;
    bool narrow = count < (1u << 31);
    for (u64 i = first + (u64)threadIdx.x * N; i < last; i += (u64)blockDim.x * N) {
        u64 n = narrow ? (u32)i / (u32)a.plane : i / a.plane;
        f((n * a.channels + channel) * a.plane + (i - n * a.plane));
    }
}
template <class W> struct Couple { W first, second; };
struct Two { template <class P> DEVICE P join(P a, P b) { return P{a.first + b.first, a.second + b.second}; } };

// Sums of x and x*x relative to the channel's first element, which keeps the difference of squares exact enough.
template <class T, int N> DEVICE void statistics(const NormArgs &a) {
    typedef typename Wide<T>::type W;
    u64 channel = blockIdx.x;
    const T *x = (const T *)a.x;
    W origin = up(x[channel * a.plane]);
    Couple<W> sums = {0, 0};
    each<N>(a, channel, [&](u64 at) {
        Pack<T, N> p = *(const Pack<T, N> *)(x + at);
#pragma unroll
        for (int k = 0; k < N; k++) {
            W v = up(p.of[k]) - origin;
            sums.first += v;
            sums.second += v * v;
        }
    });
    sums = join_row<Two>(sums);
    if (threadIdx.x == 0) ((Couple<W> *)a.sums)[channel * a.parts + blockIdx.y] = sums;
}
// One thread for each channel.
template <class T> DEVICE void finish_statistics(const NormArgs &a) {
    typedef typename Wide<T>::type W;
    u64 channel = thread_number();
    if (channel >= a.channels) return;
    double first = 0, second = 0, count = (double)(a.batch * a.plane);
    for (u64 i = 0; i < a.parts; i++) {
        Couple<W> one = ((const Couple<W> *)a.sums)[channel * a.parts + i];
        first += one.first;
        second += one.second;
    }
    double mean = first / count, variance = second / count - mean * mean;
    ((W *)a.mean)[channel] = (W)((double)up(((const T *)a.x)[channel * a.plane]) + mean);
    ((W *)a.rstd)[channel] = (W)(1.0 / sqrt((variance > 0 || variance != variance ? variance : 0.0) + a.epsilon));
}
// From a variance at `rstd`'s place of `weight`'s kind: `weight` holds it.
template <class T> DEVICE void from_variance(const NormArgs &a) {
    typedef typename Wide<T>::type W;
    u64 channel = thread_number();
    if (channel < a.channels) ((W *)a.rstd)[channel] = (W)1 / sqrt(((const W *)a.weight)[channel] + (W)a.epsilon);
}

// Element-wise with the channel's numbers: a thread makes a pack.
template <class T, int N> DEVICE void apply(const NormArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number() * N, count = a.batch * a.channels * a.plane;
    if (i >= count) return;
    u64 channel = count < (1u << 31) ? (u32)i / (u32)a.plane % (u32)a.channels : i / a.plane % a.channels;
    W scale = ((const W *)a.rstd)[channel] * (a.weight ? ((const W *)a.weight)[channel] : (W)1);
    W mean = ((const W *)a.mean)[channel], shift = a.bias ? ((const W *)a.bias)[channel] : (W)0;
    Pack<T, N> p = *(const Pack<T, N> *)((const T *)a.x + i), out;
#pragma unroll
    for (int k = 0; k < N; k++) out.of[k] = down<T>((up(p.of[k]) - mean) * scale + shift);
    *(Pack<T, N> *)((T *)a.out + i) = out;
}

// Sums of dy and of dy * (x - mean).
template <class T, int N> DEVICE void backward_sums(const NormArgs &a) {
    typedef typename Wide<T>::type W;
    u64 channel = blockIdx.x;
    const T *x = (const T *)a.x, *dy = (const T *)a.dy;
    W mean = ((const W *)a.mean)[channel];
    Couple<W> sums = {0, 0};
    each<N>(a, channel, [&](u64 at) {
        Pack<T, N> p = *(const Pack<T, N> *)(x + at), d = *(const Pack<T, N> *)(dy + at);
#pragma unroll
        for (int k = 0; k < N; k++) {
            sums.first += up(d.of[k]);
            sums.second += up(d.of[k]) * (up(p.of[k]) - mean);
        }
    });
    sums = join_row<Two>(sums);
    if (threadIdx.x == 0) ((Couple<W> *)a.sums)[channel * a.parts + blockIdx.y] = sums;
}
// Gradients of weight and bias.
template <class T> DEVICE void finish_backward(const NormArgs &a) {
    typedef typename Wide<T>::type W;
    u64 channel = thread_number();
    if (channel >= a.channels) return;
    W first = 0, second = 0;
    for (u64 i = 0; i < a.parts; i++) {
        Couple<W> one = ((const Couple<W> *)a.sums)[channel * a.parts + i];
        first += one.first;
        second += one.second;
    }
    ((W *)a.bias_out)[channel] = first;
    ((W *)a.weight_out)[channel] = second * ((const W *)a.rstd)[channel];
}
// `dx = weight * rstd * (dy - mean(dy) - xh * mean(dy * xh))`; without the means where the statistics are constants.
template <class T, int N> DEVICE void backward(const NormArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number() * N, total = a.batch * a.channels * a.plane;
    if (i >= total) return;
    u64 channel = total < (1u << 31) ? (u32)i / (u32)a.plane % (u32)a.channels : i / a.plane % a.channels;
    W count = (W)(a.batch * a.plane), rstd = ((const W *)a.rstd)[channel], mean = ((const W *)a.mean)[channel];
    W scale = rstd * (a.weight ? ((const W *)a.weight)[channel] : (W)1), first = 0, second = 0;
    if (a.own) {
        first = ((const W *)a.bias_out)[channel] / count;
        second = ((const W *)a.weight_out)[channel] * rstd / count;
    }
    Pack<T, N> p = *(const Pack<T, N> *)((const T *)a.x + i), d = *(const Pack<T, N> *)((const T *)a.dy + i), out;
#pragma unroll
    for (int k = 0; k < N; k++) out.of[k] = down<T>(scale * (up(d.of[k]) - first - (up(p.of[k]) - mean) * second));
    *(Pack<T, N> *)((T *)a.out + i) = out;
}

#define NORMS(T) \
    KERNEL(statistics_##T, NormArgs) { if (a.packs) statistics<T, 16 / sizeof(T)>(a); else statistics<T, 1>(a); } \
    KERNEL(finish_statistics_##T, NormArgs) { finish_statistics<T>(a); } \
    KERNEL(from_variance_##T, NormArgs) { from_variance<T>(a); } \
    KERNEL(apply_##T, NormArgs) { if (a.packs) apply<T, 16 / sizeof(T)>(a); else apply<T, 1>(a); } \
    KERNEL(backward_sums_##T, NormArgs) { if (a.packs) backward_sums<T, 16 / sizeof(T)>(a); else backward_sums<T, 1>(a); } \
    KERNEL(finish_backward_##T, NormArgs) { finish_backward<T>(a); } \
    KERNEL(backward_##T, NormArgs) { if (a.packs) backward<T, 16 / sizeof(T)>(a); else backward<T, 1>(a); }
FLOATS(NORMS)
