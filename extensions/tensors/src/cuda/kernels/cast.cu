// Conversion between all types.
#include "element.cuh"

struct Same { template <class W> __device__ W operator()(W x) const { return x; } };
#define CAST_TO(T, R) KERNEL(cast_##T##_##R, UnaryArgs) { map<T, R>(a, Same{}); }
#define CASTS(T) CAST_TO(T, f16) CAST_TO(T, bf16) CAST_TO(T, f32) CAST_TO(T, f64) CAST_TO(T, u8) CAST_TO(T, i32) CAST_TO(T, i64) CAST_TO(T, boolean)
ALL_TYPES(CASTS)
