#include "fused.cuh"
struct FusedArgs {
    u64 count;
    const void *in[2];
    void *out[1];
    double p[2];
};
KERNEL(fused_chain, FusedArgs) {
    constexpr int N = 4;
    u64 i = thread_number() * N;
    if (i >= a.count) return;
    u64 live = a.count - i;
    auto x0 = load_live<f32, N>((const f32 *)a.in[0] + i, 1, 1, live);
    auto x1 = load_live<f32, N>((const f32 *)a.in[1] + i, 1, 1, live);
    Pack<f32, N> y0;
#pragma unroll
    for (int k = 0; k < N; k++)
        if (k < live) {
            f32 v0 = down<f32>(one_affine(up(x0.of[k]), down<float>(a.p[0]), down<float>(a.p[1])));
            f32 v1 = down<f32>(one_relu(up(v0), (float)0, (float)0));
            f32 v2 = down<f32>(two_mul(up(v1), up(x1.of[k]), (float)0));
            f32 v3 = down<f32>(two_sub(up(v2), up(x0.of[k]), (float)0));
            f32 v4 = down<f32>(one_sigmoid(up(v3), (float)0, (float)0));
            y0.of[k] = v4;
        }
    store_live((f32 *)a.out[0] + i, y0, live);
}
#include "fused.cuh"
struct OtherArgs {
    u64 count;
    const void *in[5];
    void *out[2];
    double p[2];
    u32 packs, whole;
    Shape shape;
    Strides strides[2];
};
KERNEL(fused_arithmetic, OtherArgs) {
    constexpr int N = 2;
    u64 i = a.packs ? thread_number() * N : thread_number();
    if (i >= a.count) return;
    u64 live = a.packs ? a.count - i : 1;
    auto x0 = load_live<bf16, N>((const bf16 *)a.in[0] + offset_of(a.shape, a.strides[0], i), a.strides[0].of[a.shape.rank - 1], a.whole >> 0 & 1, live);
    f32 x1 = *(const f32 *)a.in[1];
    auto x2 = load_live<f64, N>((const f64 *)a.in[2] + i, 1, 1, live);
    auto x3 = load_live<i32, N>((const i32 *)a.in[3] + offset_of(a.shape, a.strides[1], i), a.strides[1].of[a.shape.rank - 1], a.whole >> 1 & 1, live);
    auto x4 = load_live<boolean, N>((const boolean *)a.in[4] + i, 1, 1, live);
    Pack<bf16, N> y0;
    Pack<boolean, N> y1;
#pragma unroll
    for (int k = 0; k < N; k++)
        if (k < live) {
            f32 v0 = down<f32>(up(x0.of[k]));
            f32 v1 = down<f32>(two_mul(up(v0), up(x1), (float)0));
            f32 v2 = down<f32>(two_add(up(v1), up(v0), (float)0));
            f64 v3 = down<f64>(up(v2));
            f64 v4 = down<f64>(two_mul(up(v3), up(x2.of[k]), (double)0));
            f64 v5 = down<f64>(one_affine(up(v4), down<double>(a.p[0]), down<double>(a.p[1])));
            f64 v6 = down<f64>(up(x3.of[k]));
            f64 v7 = x4.of[k] ? v5 : v6;
            bf16 v8 = down<bf16>(up(v7));
            boolean v9 = down<boolean>(two_lt(up(v8), up(x0.of[k]), (float)0));
            y0.of[k] = v8;
            y1.of[k] = v9;
        }
    store_live((bf16 *)a.out[0] + i, y0, live);
    store_live((boolean *)a.out[1] + i, y1, live);
}
