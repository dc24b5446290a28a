// What all kernels share: element types, indexing by shape and strides, loads of packs, sums within a block.
//
// Compiled by NVRTC without any header (`cargo xtask ptx`), and by g++ for the test that runs the kernels on the CPU (`emulate.h`).
// A kernel takes one structure by value, so that the host launches all of them alike.
#pragma once

#ifdef EMULATED
#include "emulate.h"
#else
// Blocks of at most 256 threads; `WIDE_KERNEL`: 1,024.
#define KERNEL(name, Args) extern "C" __global__ void __launch_bounds__(256) name(const __grid_constant__ Args a)
#define WIDE_KERNEL(name, Args) extern "C" __global__ void __launch_bounds__(1024) name(const __grid_constant__ Args a)
#define DEVICE static __device__ __forceinline__
#define CALLED static __device__ __noinline__
#define SHARED __shared__
#endif

typedef unsigned char u8;
typedef int i32;
typedef long long i64;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;
// As in `DType`, a type of its own: `true` is 1.
typedef bool boolean;
struct f16 { unsigned short bits; };
struct bf16 { unsigned short bits; };

#define FLOATS(X) X(f16) X(bf16) X(f32) X(f64)
#define INTEGERS(X) X(u8) X(i32) X(i64)
#define NUMBERS(X) FLOATS(X) INTEGERS(X)
#define ALL_TYPES(X) NUMBERS(X) X(boolean)

// ---- conversion: arithmetic is done in the wide type of an element -------------------------------------------------------------
DEVICE float bits_to_float(u32 b) { float f; memcpy(&f, &b, 4); return f; }
DEVICE u32 float_to_bits(float f) { u32 b; memcpy(&b, &f, 4); return b; }
DEVICE u64 double_to_bits(double f) { u64 b; memcpy(&b, &f, 8); return b; }

#ifndef EMULATED
DEVICE float half_to_float(f16 h) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h.bits)); return f; }
DEVICE f16 float_to_half(float f) { f16 h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(f)); return h; }
DEVICE f16 double_to_half(double f) { f16 h; asm("cvt.rn.f16.f64 %0, %1;" : "=h"(h.bits) : "d"(f)); return h; }
DEVICE bf16 float_to_bfloat(float f) { bf16 h; asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.bits) : "f"(f)); return h; }
#else
DEVICE float half_to_float(f16 h) { _Float16 x; memcpy(&x, &h, 2); return (float)x; }
DEVICE f16 float_to_half(float f) { _Float16 x = (_Float16)f; f16 h; memcpy(&h, &x, 2); return h; }
DEVICE f16 double_to_half(double f) { _Float16 x = (_Float16)f; f16 h; memcpy(&h, &x, 2); return h; }
DEVICE bf16 float_to_bfloat(float f) {
    u32 bits = float_to_bits(f);
    if (f != f) return bf16{0x7fff};
    return bf16{(unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
#endif

template <class T> struct Wide { typedef i64 type; };
template <> struct Wide<f16> { typedef float type; };
template <> struct Wide<bf16> { typedef float type; };
template <> struct Wide<f32> { typedef float type; };
template <> struct Wide<f64> { typedef double type; };
template <class T> struct IsFloat { static const bool value = false; };
template <> struct IsFloat<f16> { static const bool value = true; };
template <> struct IsFloat<bf16> { static const bool value = true; };
template <> struct IsFloat<f32> { static const bool value = true; };
template <> struct IsFloat<f64> { static const bool value = true; };

template <class T> DEVICE typename Wide<T>::type up(T x) { return (typename Wide<T>::type)x; }
DEVICE float up(f16 x) { return half_to_float(x); }
DEVICE float up(bf16 x) { return bits_to_float((u32)x.bits << 16); }

// From the wide type, or any other number, to an element. Floats become integers as Rust's `as` does: cut off, held at the ends, NaN is 0.
template <class T> struct Down { template <class W> DEVICE T from(W x) { return (T)x; } };
template <> struct Down<f16> {
    template <class W> DEVICE f16 from(W x) { return float_to_half((float)x); }
    DEVICE f16 from(double x) { return double_to_half(x); }
};
template <> struct Down<bf16> { template <class W> DEVICE bf16 from(W x) { return float_to_bfloat((float)x); } };
template <> struct Down<boolean> { template <class W> DEVICE boolean from(W x) { return x != (W)0; } };
template <class I, class F> DEVICE I held(F x, F low, F high, I lowest, I highest) { return x != x ? (I)0 : x <= low ? lowest : x >= high ? highest : (I)x; }
#define HOLDS(I, low, high, lowest, highest) \
    template <> struct Down<I> { \
        template <class W> DEVICE I from(W x) { return (I)x; } \
        DEVICE I from(float x) { return held<I, float>(x, low, high, lowest, highest); } \
        DEVICE I from(double x) { return held<I, double>(x, low, high, lowest, highest); } \
    };
HOLDS(u8, 0, 255, 0, 255)
HOLDS(i32, -2147483648.0, 2147483648.0, (-2147483647 - 1), 2147483647)
HOLDS(i64, -9223372036854775808.0, 9223372036854775808.0, (-9223372036854775807LL - 1), 9223372036854775807LL)
template <class T, class W> DEVICE T down(W x) { return Down<T>::from(x); }

// ---- functions that are long: called, for inlined they make up most of the code ---------------------------------------------------
#define LONG(name) \
    CALLED float long_##name(float x) { return name##f(x); } \
    CALLED double long_##name(double x) { return name(x); }
// Those of f32 that networks use are inlined.
#define LONG_DOUBLE(name) \
    DEVICE float long_##name(float x) { return name##f(x); } \
    CALLED double long_##name(double x) { return name(x); }
#define LONG_TWO(name) \
    CALLED float long_##name(float x, float y) { return name##f(x, y); } \
    CALLED double long_##name(double x, double y) { return name(x, y); }

// ---- shapes -------------------------------------------------------------------------------------------------------------------
#define RANK 8

// Sizes by value; `magic` and `shift` divide by them without a division where all indices are below 2^31 (`narrow`).
struct Shape {
    u64 count;
    u32 rank, narrow;
    u64 size[RANK];
    u32 magic[RANK], shift[RANK];
};
struct Strides { u64 of[RANK]; };

DEVICE u32 divide(u32 n, u32 magic, u32 shift) { return (__umulhi(n, magic) + n) >> shift; }

// The offset of the element that is number `index` in row-major order.
DEVICE u64 offset_of(const Shape &s, const Strides &strides, u64 index) {
    u64 offset = 0;
    if (s.rank == 1) return index * strides.of[0];
    if (s.narrow) {
        u32 rest = (u32)index;
#pragma unroll 1
        for (int d = (int)s.rank - 1; d > 0; d--) {
            u32 q = divide(rest, s.magic[d], s.shift[d]);
            offset += (u64)(rest - q * (u32)s.size[d]) * strides.of[d];
            rest = q;
        }
        return s.rank ? offset + (u64)rest * strides.of[0] : 0;
    }
#pragma unroll 1
    for (int d = (int)s.rank - 1; d > 0; d--) {
        u64 q = index / s.size[d];
        offset += (index - q * s.size[d]) * strides.of[d];
        index = q;
    }
    return s.rank ? offset + index * strides.of[0] : 0;
}

// The same for two tensors at once: the divisions are the dear part.
DEVICE void offsets_of(const Shape &s, const Strides &p, const Strides &q, u64 index, u64 &at_p, u64 &at_q) {
    at_p = at_q = 0;
    if (s.rank == 0) return;
#pragma unroll 1
    for (int d = (int)s.rank - 1; d > 0; d--) {
        u64 rest, i;
        if (s.narrow) {
            rest = divide((u32)index, s.magic[d], s.shift[d]);
            i = (u32)index - (u32)rest * (u32)s.size[d];
        } else {
            rest = index / s.size[d];
            i = index - rest * s.size[d];
        }
        at_p += i * p.of[d];
        at_q += i * q.of[d];
        index = rest;
    }
    at_p += index * p.of[0];
    at_q += index * q.of[0];
}

// ---- packs: some elements of one row, one load of 16 bytes where they lie together ----------------------------------------------
template <class T, int N> struct alignas(sizeof(T) * N > 16 ? 16 : sizeof(T) * N) Pack { T of[N]; };

// `step` is the stride of the last dimension; `whole`: the elements lie together and begin where a pack may.
template <class T, int N> DEVICE Pack<T, N> load_pack(const T *x, u64 step, u32 whole) {
    if (whole) return *(const Pack<T, N> *)x;
    Pack<T, N> p;
    if (step == 0) {
        T one = *x;
        for (int i = 0; i < N; i++) p.of[i] = one;
    } else {
        for (int i = 0; i < N; i++) p.of[i] = x[i * step];
    }
    return p;
}
template <class T, int N> DEVICE void store_pack(T *y, const Pack<T, N> &p) { *(Pack<T, N> *)y = p; }

DEVICE u64 thread_number() { return (u64)blockIdx.x * blockDim.x + threadIdx.x; }

// ---- sums within a block ---------------------------------------------------------------------------------------------------------
template <class T> DEVICE T shuffle_xor(T x, int mask) {
    static_assert(sizeof(T) % 4 == 0 || sizeof(T) < 4, "shuffles move words");
    if (sizeof(T) < 4) {
        int word = 0;
        memcpy(&word, &x, sizeof(T));
        word = __shfl_xor_sync(0xffffffffu, word, mask);
        memcpy(&x, &word, sizeof(T));
    } else {
        int words[(sizeof(T) + 3) / 4];
        memcpy(words, &x, sizeof(T));
        for (int i = 0; i < (int)(sizeof(T) / 4); i++) words[i] = __shfl_xor_sync(0xffffffffu, words[i], mask);
        memcpy(&x, words, sizeof(T));
    }
    return x;
}

// Joins the values of all threads with the same threadIdx.y; blockDim.x is a power of two from 32 to 1024 and all threads come here.
// `Op::join` is commutative. Every thread gets the result. `Value` has no constructor.
template <class Op, class Value> DEVICE Value join_row(Value v) {
    for (int mask = 16; mask > 0; mask >>= 1) v = Op::join(v, shuffle_xor(v, mask));
    int warps = blockDim.x / 32;
    if (warps == 1) return v;
    // At most 1,024 threads, so 32 warps.
    SHARED Value parts[32];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = threadIdx.y * warps;
    __syncthreads();
    if (lane == 0) parts[first + warp] = v;
    __syncthreads();
    v = parts[first + (lane % warps)];
    for (int mask = warps / 2; mask > 0; mask >>= 1) v = Op::join(v, shuffle_xor(v, mask));
    return v;
}

struct Add { template <class T> DEVICE T join(T a, T b) { return a + b; } };
struct Greatest { template <class T> DEVICE T join(T a, T b) { return a > b ? a : b; } };
