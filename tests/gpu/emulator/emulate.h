// The kernels' language for g++: a kernel runs on the CPU, its threads as fibers that meet at barriers. Slow, and as exact as the source.
//
// What a GPU would forgive is an error here: a barrier or a shuffle that not all threads reach.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

using std::acos; using std::asin; using std::atan; using std::atan2; using std::ceil; using std::cos; using std::cosh; using std::erf; using std::exp;
using std::expm1; using std::fabs; using std::floor; using std::fmod; using std::log; using std::log10; using std::log1p; using std::log2; using std::pow;
using std::rint; using std::sin; using std::sinh; using std::sqrt; using std::tan; using std::tanh; using std::trunc;

struct Place3 { unsigned x, y, z; };
extern Place3 threadIdx, blockIdx, blockDim, gridDim;

// What the driver finds a kernel by.
struct Kernel {
    const char *name;
    size_t bytes;
    void (*run)(const void *);
};
void register_kernel(Kernel kernel);
struct Registered {
    Registered(const char *name, size_t bytes, void (*run)(const void *)) { register_kernel({name, bytes, run}); }
};

void __syncthreads();
int __shfl_xor_sync(unsigned mask, int value, int lanes);

#define __device__
#define KERNEL(name, Args) \
    static void name(const Args &a); \
    static Registered name##_registered(#name, sizeof(Args), [](const void *p) { name(*(const Args *)p); }); \
    static void name(const Args &a)
#define WIDE_KERNEL(name, Args) KERNEL(name, Args)
#define DEVICE static inline
#define CALLED static inline
// One block runs at a time.
#define SHARED static

struct f16;
struct bf16;
DEVICE float half_to_float(f16 h);
DEVICE f16 float_to_half(float f);
DEVICE f16 double_to_half(double f);
DEVICE bf16 float_to_bfloat(float f);

DEVICE unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
DEVICE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)((unsigned __int128)a * b >> 64); }
DEVICE float __fadd_rn(float a, float b) { return a + b; }
DEVICE float __fmul_rn(float a, float b) { return a * b; }
DEVICE double __dadd_rn(double a, double b) { return a + b; }
DEVICE double __dmul_rn(double a, double b) { return a * b; }
template <class T> static inline T atomicAdd(T *to, T value) {
    T old = *to;
    *to = old + value;
    return old;
}
