// Copies, fills, gathers, random numbers: what does no arithmetic on elements.
#include "common.cuh"

// ---- copies between any strides -------------------------------------------------------------------------------------------------
struct CopyArgs {
    const void *x;
    void *y;
    u32 packs, unused;
    Shape shape;
    Strides xs, ys;
};
template <class T> DEVICE void copy(const CopyArgs &a) {
    constexpr int N = 16 / sizeof(T);
    const T *x = (const T *)a.x;
    T *y = (T *)a.y;
    u64 i = thread_number(), at_x, at_y;
    if (a.packs) {
        i *= N;
        if (i + N <= a.shape.count) {
            offsets_of(a.shape, a.xs, a.ys, i, at_x, at_y);
            *(Pack<T, N> *)(y + at_y) = *(const Pack<T, N> *)(x + at_x);
            return;
        }
        for (; i < a.shape.count; i++) {
            offsets_of(a.shape, a.xs, a.ys, i, at_x, at_y);
            y[at_y] = x[at_x];
        }
        return;
    }
    if (i < a.shape.count) {
        offsets_of(a.shape, a.xs, a.ys, i, at_x, at_y);
        y[at_y] = x[at_x];
    }
}

// Of `batch` matrices of `rows` x `columns` with rows together, the transposed ones: through shared memory, so that both sides go by rows.
struct TransposeArgs {
    const void *x;
    void *y;
    u64 rows, columns, batch, row_stride, batch_stride;
};
template <class T> DEVICE void transpose(const TransposeArgs &a) {
    SHARED T tile[32][33];
    u64 row = (u64)blockIdx.x * 32, column = (u64)blockIdx.y * 32;
    for (u64 b = blockIdx.z; b < a.batch; b += gridDim.z) {
        const T *x = (const T *)a.x + b * a.batch_stride;
        T *y = (T *)a.y + b * a.rows * a.columns;
        for (int i = threadIdx.y; i < 32; i += 8)
            if (row + i < a.rows && column + threadIdx.x < a.columns) tile[i][threadIdx.x] = x[(row + i) * a.row_stride + column + threadIdx.x];
        __syncthreads();
        for (int i = threadIdx.y; i < 32; i += 8)
            if (column + i < a.columns && row + threadIdx.x < a.rows) y[(column + i) * a.rows + row + threadIdx.x] = tile[threadIdx.x][i];
        __syncthreads();
    }
}

// ---- fills ----------------------------------------------------------------------------------------------------------------------
struct FillArgs {
    void *y;
    u64 count, bits;
};
template <class T> DEVICE void fill(const FillArgs &a) {
    constexpr int N = 16 / sizeof(T);
    u64 i = thread_number() * N;
    T *y = (T *)a.y;
    if (i + N <= a.count) {
        Pack<T, N> p;
#pragma unroll
        for (int k = 0; k < N; k++) p.of[k] = (T)a.bits;
        store_pack(y + i, p);
        return;
    }
    for (; i < a.count; i++) y[i] = (T)a.bits;
}

// ---- indices ----------------------------------------------------------------------------------------------------------------------
// Negative ones count from the end. `shape` is the index's; x is laid out by `xs`, whose entry for the indexed dimension is 0, for that is `step`.
DEVICE i64 from_end(i64 place, u64 size) { return place < 0 ? place + (i64)size : place; }
struct GatherArgs {
    const void *x;
    const i64 *index;
    void *y;
    u32 *fault;
    u64 size, step;
    Shape shape;
    Strides is, xs;
};
template <class T> DEVICE void gather(const GatherArgs &a) {
    u64 i = thread_number();
    if (i >= a.shape.count) return;
    u64 at_index, at_x;
    offsets_of(a.shape, a.is, a.xs, i, at_index, at_x);
    i64 place = from_end(a.index[at_index], a.size);
    if (place < 0 || (u64)place >= a.size) {
        *a.fault = 1;
        place = 0;
        if (a.size == 0) return;
    }
    ((T *)a.y)[i] = ((const T *)a.x)[at_x + (u64)place * a.step];
}

#define BY_SIZE(X) X(1, u8) X(2, unsigned short) X(4, u32) X(8, u64)
#define MOVES(n, T) \
    KERNEL(copy_##n, CopyArgs) { copy<T>(a); } \
    KERNEL(transpose_##n, TransposeArgs) { transpose<T>(a); } \
    KERNEL(fill_##n, FillArgs) { fill<T>(a); } \
    KERNEL(gather_##n, GatherArgs) { gather<T>(a); }
BY_SIZE(MOVES)

// Adds the elements of `src` (with the index's shape) at the places of the index. `y` is of the type in which is added up.
struct ScatterArgs {
    const void *src;
    const i64 *index;
    void *y;
    u32 *fault;
    u64 size, step;
    Shape shape;
    Strides is, ss, ys;
};
DEVICE void add_to(float *y, float x) { atomicAdd(y, x); }
DEVICE void add_to(double *y, double x) { atomicAdd(y, x); }
DEVICE void add_to(i64 *y, i64 x) { atomicAdd((u64 *)y, (u64)x); }
template <class T> DEVICE void scatter(const ScatterArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number();
    if (i >= a.shape.count) return;
    u64 at_src, at_y;
    offsets_of(a.shape, a.ss, a.ys, i, at_src, at_y);
    i64 place = from_end(a.index[offset_of(a.shape, a.is, i)], a.size);
    if (place < 0 || (u64)place >= a.size) {
        *a.fault = 1;
        return;
    }
    add_to((W *)a.y + at_y + (u64)place * a.step, up(((const T *)a.src)[at_src]));
}
#define SCATTERS(T) KERNEL(scatter_##T, ScatterArgs) { scatter<T>(a); }
ALL_TYPES(SCATTERS)

// ---- random numbers ---------------------------------------------------------------------------------------------------------------
// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011), the same as on the CPU.
struct RandomArgs {
    void *y;
    // How often a captured graph was replayed, or null: the upper half of the counter.
    const u64 *replays;
    u64 count, key, counter;
    double p, q;
    i64 low;
    u64 range;
};
struct Four { u32 of[4]; };
DEVICE Four philox(u64 key, u64 low, u64 high) {
    u32 k0 = (u32)key, k1 = (u32)(key >> 32);
    u32 c0 = (u32)low, c1 = (u32)(low >> 32), c2 = (u32)high, c3 = (u32)(high >> 32);
    for (int round = 0; round < 10; round++) {
        u64 m0 = (u64)0xD2511F53u * c0, m1 = (u64)0xCD9E8D57u * c2;
        u32 n0 = (u32)(m1 >> 32) ^ c1 ^ k0, n2 = (u32)(m0 >> 32) ^ c3 ^ k1;
        c1 = (u32)m1;
        c3 = (u32)m0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return Four{{c0, c1, c2, c3}};
}

// How 32 bits become an element is written at the head of `cpu/random.rs`; nothing may be fused here, so that the numbers are the same.
DEVICE u32 neighbour(const Four &f, int i) { return f.of[i ^ 1]; }
DEVICE float uniform_of(u32 u, float low, float span) { return __fadd_rn(low, __fmul_rn(span, __fmul_rn((float)(u >> 8), 1.0f / 16777216.0f))); }
DEVICE double uniform_of(u32 u, double low, double span) { return __dadd_rn(low, __dmul_rn(span, __dmul_rn((double)u, 1.0 / 4294967296.0))); }
DEVICE double normal_of(const Four &f, int i, double mean, double deviation) {
    double u = f.of[i & ~1], v = f.of[i | 1];
    double radius = sqrt(__dmul_rn(-2.0, log(__dmul_rn(__dadd_rn(u, 1.0), 1.0 / 4294967296.0))));
    double angle = __dmul_rn(__dmul_rn(6.283185307179586477, v), 1.0 / 4294967296.0);
    return __dadd_rn(mean, __dmul_rn(deviation, __dmul_rn(radius, i & 1 ? sin(angle) : cos(angle))));
}
template <class T, class F> DEVICE void draw(const RandomArgs &a, F f) {
    u64 four = thread_number(), i = four * 4;
    if (i >= a.count) return;
    Four bits = philox(a.key, a.counter + four, a.replays ? *a.replays : 0);
    for (int k = 0; k < 4 && i + k < a.count; k++) ((T *)a.y)[i + k] = f(bits, k);
}
#define DRAWS(T) \
    KERNEL(uniform_##T, RandomArgs) { \
        typedef Wide<T>::type W; \
        W low = (W)a.p, span = (W)(a.q - a.p); \
        draw<T>(a, [=](const Four &f, int i) { return down<T>(uniform_of(f.of[i], low, span)); }); \
    } \
    KERNEL(normal_##T, RandomArgs) { \
        typedef Wide<T>::type W; \
        double mean = a.p, deviation = a.q; \
        draw<T>(a, [=](const Four &f, int i) { return down<T>((W)normal_of(f, i, mean, deviation)); }); \
    }
FLOATS(DRAWS)
KERNEL(integers, RandomArgs) {
    i64 low = a.low;
    u64 range = a.range;
    draw<i64>(a, [=](const Four &f, int i) {
        if (range <= (1ULL << 32)) return (i64)((u64)low + (f.of[i] * range >> 32));
        // A wide range takes its neighbour's bits as well.
        return (i64)((u64)low + __umul64hi((u64)f.of[i] << 32 | neighbour(f, i), range));
    });
}
KERNEL(bernoulli, RandomArgs) {
    u64 limit = a.range;
    draw<boolean>(a, [=](const Four &f, int i) { return (boolean)((u64)f.of[i] < limit); });
}
