// Operations on one element. Results are row-major; inputs have any strides.
#include "element.cuh"
#include "operations.cuh"

#define KERNEL_OF(T, R, name) \
    struct F_##name##_##T { \
        typedef Wide<T>::type W; \
        W p, q; \
        __device__ auto operator()(W x) const { return one_##name(x, p, q); } \
    }; \
    KERNEL(name##_##T, UnaryArgs) { map<T, R>(a, F_##name##_##T{down<Wide<T>::type>(a.p), down<Wide<T>::type>(a.q)}); }
#define X16(name, e) KERNEL_OF(f16, f16, name)
#define XB16(name, e) KERNEL_OF(bf16, bf16, name)
#define X32(name, e) KERNEL_OF(f32, f32, name)
#define X64(name, e) KERNEL_OF(f64, f64, name)
#define XU8(name, e) KERNEL_OF(u8, u8, name)
#define XI32(name, e) KERNEL_OF(i32, i32, name)
#define XI64(name, e) KERNEL_OF(i64, i64, name)
FLOATS_OF_ONE(X16)
FLOATS_OF_ONE(XB16)
FLOATS_OF_ONE(X32)
FLOATS_OF_ONE(X64)
INTEGERS_OF_ONE(XU8)
INTEGERS_OF_ONE(XI32)
INTEGERS_OF_ONE(XI64)

#define K16(name, e) KERNEL_OF(f16, boolean, name)
#define KB16(name, e) KERNEL_OF(bf16, boolean, name)
#define K32(name, e) KERNEL_OF(f32, boolean, name)
#define K64(name, e) KERNEL_OF(f64, boolean, name)
KINDS_OF_ONE(K16)
KINDS_OF_ONE(KB16)
KINDS_OF_ONE(K32)
KINDS_OF_ONE(K64)

struct NotBoolean { __device__ i64 operator()(i64 x) const { return !x; } };
KERNEL(not_boolean, UnaryArgs) { map<boolean, boolean>(a, NotBoolean{}); }
