// What looks at pictures through a window: pooling, scaling, and the matrices that turn a convolution into a product.
#include "common.cuh"

// `planes` pictures of `height` x `width` become `planes` pictures of `out_height` x `out_width`.
struct WindowArgs {
    const void *x;
    void *y;
    i64 *places;
    u64 planes, height, width, out_height, out_width;
    u32 kernel[2], stride[2], padding[2], dilation[2];
    // Averages divide by the whole window; scaling: 0 nearest, 1 bilinear, 2 bilinear with corners aligned.
    u32 count_padding, mode;
    double scale[2];
};

struct Spot { u64 plane, row, column; };
// The spot that is number `i` of pictures of this size.
DEVICE Spot spot_of(u64 i, u64 height, u64 width, u64 count) {
    Spot s;
    if (count < (1u << 31)) {
        u32 line = (u32)i / (u32)width;
        s.column = (u32)i - line * (u32)width;
        s.plane = line / (u32)height;
        s.row = line - (u32)s.plane * (u32)height;
    } else {
        u64 line = i / width;
        s.column = i - line * width;
        s.plane = line / height;
        s.row = line - s.plane * height;
    }
    return s;
}

template <class T> DEVICE void max_pool(const WindowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number(), count = a.planes * a.out_height * a.out_width;
    if (i >= count) return;
    Spot s = spot_of(i, a.out_height, a.out_width, count);
    const T *x = (const T *)a.x + s.plane * a.height * a.width;
    i64 top = (i64)(s.row * a.stride[0]) - a.padding[0], left = (i64)(s.column * a.stride[1]) - a.padding[1];
    W best = 0;
    i64 place = -1;
    for (u32 r = 0; r < a.kernel[0]; r++) {
        i64 row = top + r;
        if (row < 0 || row >= (i64)a.height) continue;
        for (u32 c = 0; c < a.kernel[1]; c++) {
            i64 column = left + c;
            if (column < 0 || column >= (i64)a.width) continue;
            W v = up(x[row * a.width + column]);
            if (place < 0 || v > best || (v != v && best == best)) {
                best = v;
                place = row * (i64)a.width + column;
            }
        }
    }
    ((T *)a.y)[i] = down<T>(best);
    a.places[i] = place;
}

// dy (x here) is added at its places; y is zero before and of the wide type.
template <class T> DEVICE void max_pool_backward(const WindowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 per_plane = a.out_height * a.out_width, i = thread_number();
    if (i >= a.planes * per_plane) return;
    i64 place = a.places[i];
    if (place >= 0) atomicAdd((W *)a.y + i / per_plane * a.height * a.width + place, up(((const T *)a.x)[i]));
}

template <class T> DEVICE void avg_pool(const WindowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number(), count = a.planes * a.out_height * a.out_width;
    if (i >= count) return;
    Spot s = spot_of(i, a.out_height, a.out_width, count);
    const T *x = (const T *)a.x + s.plane * a.height * a.width;
    i64 top = (i64)(s.row * a.stride[0]) - a.padding[0], left = (i64)(s.column * a.stride[1]) - a.padding[1];
    W sum = 0;
    u32 seen = 0;
    for (u32 r = 0; r < a.kernel[0]; r++) {
        for (u32 c = 0; c < a.kernel[1]; c++) {
            i64 row = top + r, column = left + c;
            if (row < 0 || row >= (i64)a.height || column < 0 || column >= (i64)a.width) continue;
            sum += up(x[row * a.width + column]);
            seen++;
        }
    }
    u32 divisor = a.count_padding ? a.kernel[0] * a.kernel[1] : seen;
    ((T *)a.y)[i] = down<T>(divisor ? sum / (W)divisor : (W)0);
}

// How many of a window's rows (or columns) lie in the picture.
DEVICE i64 inside(i64 first, i64 kernel, i64 size) {
    i64 low = first < 0 ? 0 : first, high = first + kernel > size ? size : first + kernel;
    return high > low ? high - low : 0;
}
// Each element of the picture collects from the windows that hold it; x is dy.
template <class T> DEVICE void avg_pool_backward(const WindowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number(), count = a.planes * a.height * a.width;
    if (i >= count) return;
    Spot s = spot_of(i, a.height, a.width, count);
    const T *dy = (const T *)a.x + s.plane * a.out_height * a.out_width;
    i64 row = (i64)s.row + a.padding[0], column = (i64)s.column + a.padding[1];
    W sum = 0;
    for (u32 r = 0; r < a.kernel[0]; r++) {
        i64 top = row - r;
        if (top < 0 || top % a.stride[0] || top / a.stride[0] >= (i64)a.out_height) continue;
        for (u32 c = 0; c < a.kernel[1]; c++) {
            i64 left = column - c;
            if (left < 0 || left % a.stride[1] || left / a.stride[1] >= (i64)a.out_width) continue;
            W v = up(dy[top / a.stride[0] * a.out_width + left / a.stride[1]]);
            i64 seen = a.count_padding ? (i64)a.kernel[0] * a.kernel[1]
                                       : inside(top - a.padding[0], a.kernel[0], a.height) * inside(left - a.padding[1], a.kernel[1], a.width);
            sum += v / (W)seen;
        }
    }
    ((T *)a.y)[i] = down<T>(sum);
}

// ---- scaling ------------------------------------------------------------------------------------------------------------------------
// The two source lines of an output line and the weight of the second.
template <class W> struct Between { u64 low, high; W part; };
template <class W> DEVICE Between<W> between(u64 i, u64 size, double scale, u32 mode) {
    double at = mode == 2 ? i * scale : (i + 0.5) * scale - 0.5;
    if (at < 0) at = 0;
    u64 low = (u64)at;
    if (low > size - 1) low = size - 1;
    return Between<W>{low, low + 1 < size ? low + 1 : low, (W)(at - (double)low)};
}
DEVICE u64 nearest(u64 i, u64 size, double scale) {
    u64 at = (u64)((double)i * scale);
    return at < size ? at : size - 1;
}
template <class T> DEVICE void interpolate(const WindowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number(), count = a.planes * a.out_height * a.out_width;
    if (i >= count) return;
    Spot s = spot_of(i, a.out_height, a.out_width, count);
    const T *x = (const T *)a.x + s.plane * a.height * a.width;
    if (a.mode == 0) {
        ((T *)a.y)[i] = x[nearest(s.row, a.height, a.scale[0]) * a.width + nearest(s.column, a.width, a.scale[1])];
        return;
    }
    Between<W> r = between<W>(s.row, a.height, a.scale[0], a.mode), c = between<W>(s.column, a.width, a.scale[1], a.mode);
    W upper = up(x[r.low * a.width + c.low]) * ((W)1 - c.part) + up(x[r.low * a.width + c.high]) * c.part;
    W lower = up(x[r.high * a.width + c.low]) * ((W)1 - c.part) + up(x[r.high * a.width + c.high]) * c.part;
    ((T *)a.y)[i] = down<T>(upper * ((W)1 - r.part) + lower * r.part);
}
// x is dy, of the size `out`; y is zero before and of the wide type.
template <class T> DEVICE void interpolate_backward(const WindowArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number(), count = a.planes * a.out_height * a.out_width;
    if (i >= count) return;
    Spot s = spot_of(i, a.out_height, a.out_width, count);
    W *y = (W *)a.y + s.plane * a.height * a.width, d = up(((const T *)a.x)[i]);
    if (a.mode == 0) {
        atomicAdd(y + nearest(s.row, a.height, a.scale[0]) * a.width + nearest(s.column, a.width, a.scale[1]), d);
        return;
    }
    Between<W> r = between<W>(s.row, a.height, a.scale[0], a.mode), c = between<W>(s.column, a.width, a.scale[1], a.mode);
    atomicAdd(y + r.low * a.width + c.low, d * ((W)1 - r.part) * ((W)1 - c.part));
    atomicAdd(y + r.low * a.width + c.high, d * ((W)1 - r.part) * c.part);
    atomicAdd(y + r.high * a.width + c.low, d * r.part * ((W)1 - c.part));
    atomicAdd(y + r.high * a.width + c.high, d * r.part * c.part);
}

// ---- convolution as a product ---------------------------------------------------------------------------------------------------------
// Columns: `[channels * kernel[0] * kernel[1], planes, out_height * out_width]`, where `planes` is the batch here.
struct ColumnArgs {
    const void *x;
    void *y;
    u64 batch, channels, height, width, out_height, out_width;
    // Elements from a picture (of `channels` channels) to the next: more than their size where there are groups.
    u64 picture;
    u32 kernel[2], stride[2], padding[2], dilation[2];
};
template <class T> DEVICE void to_columns(const ColumnArgs &a) {
    u64 area = a.out_height * a.out_width, line = a.batch * area, i = thread_number();
    if (i >= line * a.channels * a.kernel[0] * a.kernel[1]) return;
    u64 tap = i / line, rest = i % line, picture = rest / area, spot = rest % area;
    u64 column = tap % a.kernel[1], row = tap / a.kernel[1] % a.kernel[0], channel = tap / a.kernel[1] / a.kernel[0];
    i64 y = (i64)(spot / a.out_width * a.stride[0] + row * a.dilation[0]) - a.padding[0];
    i64 x = (i64)(spot % a.out_width * a.stride[1] + column * a.dilation[1]) - a.padding[1];
    bool is_in = y >= 0 && y < (i64)a.height && x >= 0 && x < (i64)a.width;
    ((T *)a.y)[i] = is_in ? ((const T *)a.x)[picture * a.picture + (channel * a.height + y) * a.width + x] : T();
}
// The transpose: each element of a picture adds up its places in the columns (x here). No atomics: the same numbers each time.
template <class T> DEVICE void from_columns(const ColumnArgs &a) {
    typedef typename Wide<T>::type W;
    u64 i = thread_number(), per_picture = a.channels * a.height * a.width;
    if (i >= a.batch * per_picture) return;
    u64 picture = i / per_picture, rest = i % per_picture, channel = rest / (a.height * a.width), at = rest % (a.height * a.width);
    u64 area = a.out_height * a.out_width;
    i64 row = (i64)(at / a.width) + a.padding[0], column = (i64)(at % a.width) + a.padding[1];
    W sum = 0;
    for (u32 r = 0; r < a.kernel[0]; r++) {
        i64 y = row - (i64)r * a.dilation[0];
        if (y < 0 || y % a.stride[0] || y / a.stride[0] >= (i64)a.out_height) continue;
        for (u32 c = 0; c < a.kernel[1]; c++) {
            i64 x = column - (i64)c * a.dilation[1];
            if (x < 0 || x % a.stride[1] || x / a.stride[1] >= (i64)a.out_width) continue;
            u64 tap = (channel * a.kernel[0] + r) * a.kernel[1] + c;
            sum += up(((const T *)a.x)[(tap * a.batch + picture) * area + (u64)(y / a.stride[0]) * a.out_width + (u64)(x / a.stride[1])]);
        }
    }
    ((T *)a.y)[picture * a.picture + rest] = down<T>(sum);
}

#define WINDOWS(T) \
    KERNEL(max_pool_##T, WindowArgs) { max_pool<T>(a); } \
    KERNEL(max_pool_backward_##T, WindowArgs) { max_pool_backward<T>(a); } \
    KERNEL(avg_pool_##T, WindowArgs) { avg_pool<T>(a); } \
    KERNEL(avg_pool_backward_##T, WindowArgs) { avg_pool_backward<T>(a); } \
    KERNEL(interpolate_##T, WindowArgs) { interpolate<T>(a); } \
    KERNEL(interpolate_backward_##T, WindowArgs) { interpolate_backward<T>(a); } \
    KERNEL(to_columns_##T, ColumnArgs) { to_columns<T>(a); } \
    KERNEL(from_columns_##T, ColumnArgs) { from_columns<T>(a); }
FLOATS(WINDOWS)
