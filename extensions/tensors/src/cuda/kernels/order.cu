// Sorting: keys are made unsigned so that their order is the elements', tiles are sorted in shared memory, then merged pair by pair.
// Equal keys keep their order, for the place of an element breaks ties in the tiles and merging takes the left run's first.
#include "common.cuh"

// ---- keys -----------------------------------------------------------------------------------------------------------------------------
// The same order as the elements'; -0 is 0, NaN is the last. Descending: inverted.
struct KeyArgs {
    const void *x;
    u64 *keys;
    i64 *places;
    u64 length;
    u32 descending, unused;
    Shape shape;
    Strides xs;
};
DEVICE u64 key_of(double v) {
    if (v != v) return 0xffffffffffffffffULL;
    u64 bits = double_to_bits(v == 0 ? 0.0 : v);
    return bits >> 63 ? ~bits : bits | 0x8000000000000000ULL;
}
DEVICE u64 key_of(float v) { return key_of((double)v); }
DEVICE u64 key_of(i64 v) { return (u64)v ^ 0x8000000000000000ULL; }
#define KEYS(T) \
    KERNEL(keys_##T, KeyArgs) { \
        u64 i = thread_number(); \
        if (i >= a.shape.count) return; \
        u64 key = key_of(up(((const T *)a.x)[offset_of(a.shape, a.xs, i)])); \
        a.keys[i] = a.descending ? ~key : key; \
        a.places[i] = (i64)(i % a.length); \
    }
ALL_TYPES(KEYS)

// ---- tiles ----------------------------------------------------------------------------------------------------------------------------
#define TILE 1024
struct SortArgs {
    const u64 *keys;
    const i64 *places;
    u64 *keys_out;
    i64 *places_out;
    // Rows of `length`; runs of `run` are sorted before a merge.
    u64 rows, length, run;
};
// A block of 512 threads sorts one tile of one row by Batcher's bitonic network.
WIDE_KERNEL(sort_tile, SortArgs) {
    SHARED u64 keys[TILE];
    SHARED i64 places[TILE];
    u64 tiles = (a.length + TILE - 1) / TILE, row = blockIdx.x / tiles, first = blockIdx.x % tiles * TILE;
    u64 base = row * a.length + first, left = a.length - first;
    for (u32 i = threadIdx.x; i < TILE; i += blockDim.x) {
        // What fills the tile up comes after everything, also after other greatest keys.
        keys[i] = i < left ? a.keys[base + i] : 0xffffffffffffffffULL;
        places[i] = i < left ? a.places[base + i] : 0x7fffffffffffffffLL;
    }
    for (u32 size = 2; size <= TILE; size *= 2) {
        for (u32 stride = size / 2; stride > 0; stride /= 2) {
            __syncthreads();
            u32 i = 2 * threadIdx.x - (threadIdx.x & (stride - 1)), j = i + stride;
            bool rising = (i & size) == 0;
            bool greater = keys[i] > keys[j] || (keys[i] == keys[j] && places[i] > places[j]);
            if (greater == rising) {
                u64 key = keys[i];
                keys[i] = keys[j];
                keys[j] = key;
                i64 place = places[i];
                places[i] = places[j];
                places[j] = place;
            }
        }
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < TILE; i += blockDim.x) {
        if (i < left) {
            a.keys_out[base + i] = keys[i];
            a.places_out[base + i] = places[i];
        }
    }
}

// An element's place after the merge is its place in its run and the number of those of the other run that come before it.
KERNEL(sort_merge, SortArgs) {
    u64 i = thread_number();
    if (i >= a.rows * a.length) return;
    u64 row = i / a.length, at = i % a.length, base = row * a.length;
    u64 pair = at / (2 * a.run) * (2 * a.run), middle = pair + a.run;
    u64 key = a.keys[i];
    bool is_left = at < middle;
    u64 low = is_left ? middle : pair, high = is_left ? middle + a.run : middle;
    if (low > a.length) low = a.length;
    if (high > a.length) high = a.length;
    u64 begin = low;
    while (low < high) {
        u64 m = low + (high - low) / 2;
        u64 other = a.keys[base + m];
        // Of equal keys the left run's come first.
        if (is_left ? other < key : other <= key) low = m + 1;
        else high = m;
    }
    u64 to = base + pair + (at - (is_left ? pair : middle)) + (low - begin);
    a.keys_out[to] = key;
    a.places_out[to] = a.places[i];
}
