// Work on rows that lie together: softmax, layer norm, cross entropy. blockDim.x threads (a power of two from 32) share a row, blockDim.y rows
// a block. A row is read twice or three times, from the cache but for the first.
#include "common.cuh"

struct RowArgs {
    const void *x, *y, *dy;
    void *out;
    // In the wide type: weight and bias come in, mean and 1/std go out (layer norm) or in (its gradient).
    const void *weight, *bias;
    void *mean, *rstd;
    const i64 *classes;
    u32 *fault;
    u64 rows, width;
    double epsilon;
    u32 log, packs;
};

// Calls f(index, value) for this thread's elements of a row.
template <class T, class F> DEVICE void each(const RowArgs &a, const void *from, u64 row, F f) {
    constexpr int N = 16 / sizeof(T);
    const T *x = (const T *)from + row * a.width;
    if (a.packs) {
        for (u64 i = (u64)threadIdx.x * N; i < a.width; i += (u64)blockDim.x * N) {
            Pack<T, N> p = *(const Pack<T, N> *)(x + i);
#pragma unroll
            for (int k = 0; k < N; k++) f(i + k, up(p.of[k]));
        }
    } else {
        for (u64 i = threadIdx.x; i < a.width; i += blockDim.x) f(i, up(x[i]));
    }
}
// Writes f(index, value of x, value of z) for this thread's elements; z may be x.
template <class T, class F> DEVICE void fill(const RowArgs &a, const void *from, const void *other, u64 row, F f) {
    constexpr int N = 16 / sizeof(T);
    const T *x = (const T *)from + row * a.width, *z = (const T *)other + row * a.width;
    T *y = (T *)a.out + row * a.width;
    if (a.packs) {
        for (u64 i = (u64)threadIdx.x * N; i < a.width; i += (u64)blockDim.x * N) {
            Pack<T, N> p = *(const Pack<T, N> *)(x + i), q = *(const Pack<T, N> *)(z + i), r;
#pragma unroll
            for (int k = 0; k < N; k++) r.of[k] = down<T>(f(i + k, up(p.of[k]), up(q.of[k])));
            store_pack(y + i, r);
        }
    } else {
        for (u64 i = threadIdx.x; i < a.width; i += blockDim.x) y[i] = down<T>(f(i, up(x[i]), up(z[i])));
    }
}

// Greatest value and the sum of exponentials relative to it.
template <class W> struct Soft { W top, sum; };
DEVICE float lowest_of(float) { return -bits_to_float(0x7f800000u); }
DEVICE double lowest_of(double) { return -(double)bits_to_float(0x7f800000u); }
struct JoinSoft {
    template <class W> DEVICE Soft<W> join(Soft<W> a, Soft<W> b) {
        W top = a.top > b.top ? a.top : b.top;
        // Equal tops may be infinite, whose difference is not a number.
        W left = a.top == top ? a.sum : a.sum * exp(a.top - top), right = b.top == top ? b.sum : b.sum * exp(b.top - top);
        return Soft<W>{top, left + right};
    }
};
template <class W> DEVICE Soft<W> with(Soft<W> s, W v) {
    if (v > s.top) {
        s.sum = (s.sum == 0 ? (W)0 : s.sum * exp(s.top - v)) + 1;
        s.top = v;
    } else {
        s.sum += v == s.top ? (W)1 : exp(v - s.top);
    }
    return s;
}

template <class T> DEVICE void softmax(const RowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 row = (u64)blockIdx.x * blockDim.y + threadIdx.y;
    bool real = row < a.rows;
    Soft<W> s = {lowest_of((W)0), 0};
    if (real) each<T>(a, a.x, row, [&](u64, W v) { s = with(s, v); });
    s = join_row<JoinSoft>(s);
    if (!real) return;
    if (a.log) {
        W base = log(s.sum);
        W top = s.top;
        fill<T>(a, a.x, a.x, row, [=](u64, W v, W) { return v - top - base; });
    } else {
        W scale = (W)1 / s.sum, top = s.top;
        fill<T>(a, a.x, a.x, row, [=](u64, W v, W) { return exp(v - top) * scale; });
    }
}

template <class T> DEVICE void softmax_backward(const RowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 row = (u64)blockIdx.x * blockDim.y + threadIdx.y;
    bool real = row < a.rows;
    W sum = 0;
    if (real) {
        const T *y = (const T *)a.y + row * a.width;
        if (a.log) each<T>(a, a.dy, row, [&](u64, W d) { sum += d; });
        else each<T>(a, a.dy, row, [&](u64 i, W d) { sum += d * up(y[i]); });
    }
    sum = join_row<Add>(sum);
    if (!real) return;
    if (a.log) fill<T>(a, a.y, a.dy, row, [=](u64, W y, W d) { return d - exp(y) * sum; });
    else fill<T>(a, a.y, a.dy, row, [=](u64, W y, W d) { return y * (d - sum); });
}

template <class T> DEVICE void layer_norm(const RowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 row = (u64)blockIdx.x * blockDim.y + threadIdx.y;
    bool real = row < a.rows;
    W sum = 0, squares = 0;
    if (real) each<T>(a, a.x, row, [&](u64, W v) { sum += v; });
    W mean = join_row<Add>(sum) / (W)a.width;
    if (real) each<T>(a, a.x, row, [&](u64, W v) { squares += (v - mean) * (v - mean); });
    W rstd = (W)1 / sqrt(join_row<Add>(squares) / (W)a.width + (W)a.epsilon);
    if (!real) return;
    if (threadIdx.x == 0) {
        ((W *)a.mean)[row] = mean;
        ((W *)a.rstd)[row] = rstd;
    }
    const W *weight = (const W *)a.weight, *bias = (const W *)a.bias;
    fill<T>(a, a.x, a.x, row, [=](u64 i, W v, W) { return (v - mean) * rstd * (weight ? weight[i] : (W)1) + (bias ? bias[i] : (W)0); });
}

struct Two { template <class P> DEVICE P join(P a, P b) { return P{a.first + b.first, a.second + b.second}; } };
template <class W> struct Couple { W first, second; };

template <class T> DEVICE void layer_norm_backward(const RowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 row = (u64)blockIdx.x * blockDim.y + threadIdx.y;
    bool real = row < a.rows;
    const W *weight = (const W *)a.weight;
    W mean = 0, rstd = 0;
    Couple<W> sums = {0, 0};
    if (real) {
        mean = ((const W *)a.mean)[row];
        rstd = ((const W *)a.rstd)[row];
        const T *x = (const T *)a.x + row * a.width;
        each<T>(a, a.dy, row, [&](u64 i, W d) {
            W g = d * (weight ? weight[i] : (W)1);
            sums.first += g;
            sums.second += g * (up(x[i]) - mean) * rstd;
        });
    }
    sums = join_row<Two>(sums);
    if (!real) return;
    W first = sums.first / (W)a.width, second = sums.second / (W)a.width;
    fill<T>(a, a.x, a.dy, row, [=](u64 i, W v, W d) { return rstd * (d * (weight ? weight[i] : (W)1) - first - (v - mean) * rstd * second); });
}

// Gradients of weight and bias: sums over rows, in `parts` pieces: `[parts, width]` of the wide type each, at `out` and `mean`'s place.
struct ColumnArgs {
    const void *x, *dy, *mean, *rstd;
    void *weight, *bias;
    u64 rows, width, part;
};
template <class T> DEVICE void layer_norm_weights(const ColumnArgs &a) {
    typedef typename Wide<T>::type W;
    SHARED W weights[8][33], biases[8][33];
    u64 column = (u64)blockIdx.x * 32 + threadIdx.x, first = (u64)blockIdx.y * a.part;
    u64 last = first + a.part < a.rows ? first + a.part : a.rows;
    W weight = 0, bias = 0;
    if (column < a.width) {
        for (u64 row = first + threadIdx.y; row < last; row += 8) {
            W d = up(((const T *)a.dy)[row * a.width + column]);
            bias += d;
            weight += d * (up(((const T *)a.x)[row * a.width + column]) - ((const W *)a.mean)[row]) * ((const W *)a.rstd)[row];
        }
    }
    weights[threadIdx.y][threadIdx.x] = weight;
    biases[threadIdx.y][threadIdx.x] = bias;
    __syncthreads();
    if (threadIdx.y == 0 && column < a.width) {
        for (int i = 1; i < 8; i++) {
            weight += weights[i][threadIdx.x];
            bias += biases[i][threadIdx.x];
        }
        ((W *)a.weight)[(u64)blockIdx.y * a.width + column] = weight;
        ((W *)a.bias)[(u64)blockIdx.y * a.width + column] = bias;
    }
}

// `epsilon` is the smoothing. Losses are of the wide type.
template <class T> DEVICE void cross_entropy(const RowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 row = (u64)blockIdx.x * blockDim.y + threadIdx.y;
    bool real = row < a.rows;
    Soft<W> s = {lowest_of((W)0), 0};
    W sum = 0;
    if (real) {
        each<T>(a, a.x, row, [&](u64, W v) {
            s = with(s, v);
            sum += v;
        });
    }
    s = join_row<JoinSoft>(s);
    if (a.epsilon != 0) sum = join_row<Add>(sum);
    if (!real || threadIdx.x != 0) return;
    i64 wanted = a.classes[row];
    if (wanted < 0 || (u64)wanted >= a.width) {
        *a.fault = 1;
        wanted = 0;
    }
    W log_sum = s.top + log(s.sum), smoothing = (W)a.epsilon;
    W loss = log_sum - up(((const T *)a.x)[row * a.width + (u64)wanted]);
    if (smoothing != 0) loss = ((W)1 - smoothing) * loss + smoothing * (log_sum - sum / (W)a.width);
    ((W *)a.out)[row] = loss;
}

// `dy` per row, of the wide type.
template <class T> DEVICE void cross_entropy_backward(const RowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 row = (u64)blockIdx.x * blockDim.y + threadIdx.y;
    bool real = row < a.rows;
    Soft<W> s = {lowest_of((W)0), 0};
    if (real) each<T>(a, a.x, row, [&](u64, W v) { s = with(s, v); });
    s = join_row<JoinSoft>(s);
    if (!real) return;
    u64 wanted = (u64)a.classes[row];
    W d = ((const W *)a.dy)[row], scale = (W)1 / s.sum, top = s.top, rest = (W)a.epsilon / (W)a.width, hit = (W)1 - (W)a.epsilon;
    fill<T>(a, a.x, a.x, row, [=](u64 i, W v, W) { return d * (exp(v - top) * scale - rest - (i == wanted ? hit : (W)0)); });
}

#define ROWS(T) \
    WIDE_KERNEL(softmax_##T, RowArgs) { softmax<T>(a); } \
    WIDE_KERNEL(softmax_backward_##T, RowArgs) { softmax_backward<T>(a); } \
    WIDE_KERNEL(layer_norm_##T, RowArgs) { layer_norm<T>(a); } \
    WIDE_KERNEL(layer_norm_backward_##T, RowArgs) { layer_norm_backward<T>(a); } \
    KERNEL(layer_norm_weights_##T, ColumnArgs) { layer_norm_weights<T>(a); } \
    WIDE_KERNEL(cross_entropy_##T, RowArgs) { cross_entropy<T>(a); } \
    WIDE_KERNEL(cross_entropy_backward_##T, RowArgs) { cross_entropy_backward<T>(a); }
FLOATS(ROWS)
