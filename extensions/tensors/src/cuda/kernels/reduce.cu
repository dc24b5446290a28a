// Reductions. A result is made of `length` elements, found by two shapes: of what stays (`kept`) and of what is reduced (`gone`).
#include "common.cuh"

struct ReduceArgs {
    const void *x;
    void *y;
    // `length` is cut into `parts` pieces of `part` elements; with more than one, results are of the wide type, `[count, parts]`.
    u64 length, part, parts;
    double scale;
    Shape kept;
    Strides kept_strides;
    Shape gone;
    Strides gone_strides;
};

struct Sum {
    template <class W> DEVICE W start() { return 0; }
    template <class W> DEVICE W join(W a, W b) { return a + b; }
};
struct Product {
    template <class W> DEVICE W start() { return 1; }
    template <class W> DEVICE W join(W a, W b) { return a * b; }
};
DEVICE float infinity_of(float) { return bits_to_float(0x7f800000u); }
DEVICE double infinity_of(double) { return (double)bits_to_float(0x7f800000u); }
DEVICE i64 infinity_of(i64) { return 9223372036854775807LL; }
struct Max {
    template <class W> DEVICE W start() { return IsFloat<W>::value ? -infinity_of((W)0) : -infinity_of((W)0) - (W)1; }
    // NaN wins.
    template <class W> DEVICE W join(W a, W b) { return a > b || a != a ? a : b; }
};
struct Min {
    template <class W> DEVICE W start() { return infinity_of((W)0); }
    template <class W> DEVICE W join(W a, W b) { return a < b || a != a ? a : b; }
};

// Of 0 and 1.
struct Any {
    template <class W> DEVICE W start() { return 0; }
    template <class W> DEVICE W join(W a, W b) { return a > b ? a : b; }
};
struct All {
    template <class W> DEVICE W start() { return 1; }
    template <class W> DEVICE W join(W a, W b) { return a < b ? a : b; }
};

// One row of threads (blockDim.x, a power of two) makes one result, or one part of it; blockDim.y results to a block. For rows that lie together.
template <class T, class R, class W, class Op, bool TRUTH> DEVICE void by_rows(const ReduceArgs &a) {
    u64 result = (u64)blockIdx.x * blockDim.y + threadIdx.y, part = blockIdx.y;
    bool real = result < a.kept.count;
    W sum = Op::template start<W>();
    if (real) {
        const T *x = (const T *)a.x + offset_of(a.kept, a.kept_strides, result);
        u64 first = part * a.part, last = first + a.part < a.length ? first + a.part : a.length;
        bool plain = a.gone.rank <= 1;
        u64 step = a.gone_strides.of[0];
        for (u64 i = first + threadIdx.x; i < last; i += blockDim.x) {
            W v = up(x[plain ? i * step : offset_of(a.gone, a.gone_strides, i)]);
            sum = Op::join(sum, TRUTH ? (W)(v != 0) : v);
        }
    }
    sum = join_row<Op>(sum);
    if (real && threadIdx.x == 0) {
        if (a.parts > 1) ((W *)a.y)[result * a.parts + part] = sum;
        else ((R *)a.y)[result] = down<R>(IsFloat<W>::value && a.scale != 1 ? (W)(sum * a.scale) : sum);
    }
}

// One thread of x makes one result, blockDim.y threads share its elements; for results whose elements lie side by side.
template <class T, class R, class W, class Op, bool TRUTH> DEVICE void by_columns(const ReduceArgs &a) {
    SHARED W sums[8][33];
    u64 result = (u64)blockIdx.x * 32 + threadIdx.x, part = blockIdx.y;
    W sum = Op::template start<W>();
    if (result < a.kept.count) {
        const T *x = (const T *)a.x + offset_of(a.kept, a.kept_strides, result);
        u64 first = part * a.part, last = first + a.part < a.length ? first + a.part : a.length;
        bool plain = a.gone.rank <= 1;
        u64 step = a.gone_strides.of[0];
        for (u64 i = first + threadIdx.y; i < last; i += 8) {
            W v = up(x[plain ? i * step : offset_of(a.gone, a.gone_strides, i)]);
            sum = Op::join(sum, TRUTH ? (W)(v != 0) : v);
        }
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && result < a.kept.count) {
        for (int i = 1; i < 8; i++) sum = Op::join(sum, sums[i][threadIdx.x]);
        if (a.parts > 1) ((W *)a.y)[result * a.parts + part] = sum;
        else ((R *)a.y)[result] = down<R>(IsFloat<W>::value && a.scale != 1 ? (W)(sum * a.scale) : sum);
    }
}

// `W`, rows and columns of each; `finish` joins parts, whose type is the wide one.
#define REDUCTION(name, T, R, Op, TRUTH) \
    WIDE_KERNEL(name##_rows_##T, ReduceArgs) { by_rows<T, R, Wide<T>::type, Op, TRUTH>(a); } \
    KERNEL(name##_columns_##T, ReduceArgs) { by_columns<T, R, Wide<T>::type, Op, TRUTH>(a); } \
    WIDE_KERNEL(name##_finish_##T, ReduceArgs) { by_rows<Wide<T>::type, R, Wide<T>::type, Op, false>(a); }
#define OF_FLOAT(T) REDUCTION(sum, T, T, Sum, false) REDUCTION(prod, T, T, Product, false)
#define OF_INTEGER(T) REDUCTION(sum, T, i64, Sum, false) REDUCTION(prod, T, i64, Product, false)
#define OF_ALL(T) REDUCTION(max, T, T, Max, false) REDUCTION(min, T, T, Min, false) REDUCTION(any, T, boolean, Any, true) REDUCTION(all, T, boolean, All, true)
FLOATS(OF_FLOAT)
INTEGERS(OF_INTEGER)
OF_INTEGER(boolean)
ALL_TYPES(OF_ALL)

// ---- where the greatest is ----------------------------------------------------------------------------------------------------------
template <class W> struct Place { W value; i64 at; };
// The first of the greatest; NaN is greater than all.
struct FirstMax {
    template <class W> DEVICE bool before(W a, W b) { return a > b || (a != a && b == b); }
};
struct FirstMin {
    template <class W> DEVICE bool before(W a, W b) { return a < b || (a != a && b == b); }
};
template <class Order> struct Better {
    template <class W> DEVICE Place<W> join(Place<W> a, Place<W> b) {
        // A place of -1 is none.
        if (a.at < 0 || b.at < 0) return a.at < 0 ? b : a;
        if (Order::before(a.value, b.value)) return a;
        if (Order::before(b.value, a.value)) return b;
        return a.at < b.at ? a : b;
    }
};
template <class T, class Order> DEVICE void arg_by_rows(const ReduceArgs &a) {
    typedef typename Wide<T>::type W;
    u64 result = (u64)blockIdx.x * blockDim.y + threadIdx.y;
    bool real = result < a.kept.count;
    Place<W> best = {0, -1};
    if (real) {
        const T *x = (const T *)a.x + offset_of(a.kept, a.kept_strides, result);
        for (u64 i = threadIdx.x; i < a.length; i += blockDim.x) best = Better<Order>::join(best, Place<W>{up(x[i * a.gone_strides.of[0]]), (i64)i});
    }
    best = join_row<Better<Order>>(best);
    if (real && threadIdx.x == 0) ((i64 *)a.y)[result] = best.at;
}
#define PLACES(T) \
    WIDE_KERNEL(argmax_##T, ReduceArgs) { arg_by_rows<T, FirstMax>(a); } \
    WIDE_KERNEL(argmin_##T, ReduceArgs) { arg_by_rows<T, FirstMin>(a); }
ALL_TYPES(PLACES)

// ---- running sums -------------------------------------------------------------------------------------------------------------------
// A block of 256 threads goes along one row of `length` elements, 256 at a time. `kept` numbers the rows; results lie by `gone_strides.of[1]`.
struct ScanArgs {
    const void *x;
    void *y;
    u64 length, x_step, y_step;
    Shape kept;
    Strides xs, ys;
};
template <class T, class R> DEVICE void scan(const ScanArgs &a) {
    typedef typename Wide<T>::type W;
    SHARED W line[2][256];
    u64 at_x, at_y;
    offsets_of(a.kept, a.xs, a.ys, blockIdx.x, at_x, at_y);
    const T *x = (const T *)a.x + at_x;
    R *y = (R *)a.y + at_y;
    W carry = 0;
    int t = threadIdx.x;
    for (u64 first = 0; first < a.length; first += 256) {
        u64 i = first + t;
        line[0][t] = i < a.length ? up(x[i * a.x_step]) : (W)0;
        __syncthreads();
        int from = 0;
        for (int distance = 1; distance < 256; distance *= 2) {
            line[1 - from][t] = t >= distance ? line[from][t - distance] + line[from][t] : line[from][t];
            from = 1 - from;
            __syncthreads();
        }
        if (i < a.length) y[i * a.y_step] = down<R>(carry + line[from][t]);
        carry += line[from][255];
        __syncthreads();
    }
}
#define SCANS(T) KERNEL(cumsum_##T, ScanArgs) { scan<T, T>(a); }
FLOATS(SCANS)
#define INTEGER_SCANS(T) KERNEL(cumsum_##T, ScanArgs) { scan<T, i64>(a); }
INTEGERS(INTEGER_SCANS)
INTEGER_SCANS(boolean)
