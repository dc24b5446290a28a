// Steps of optimisers, each in one pass. Parameter, gradient and state may be of different float types; arithmetic is in f32, in f64 for f64.
#include "common.cuh"

// As `DType` numbers them.
enum { F16 = 4, BF16 = 5, F32 = 6, F64 = 7 };

// Of a captured graph: how often it was replayed, and a factor for the learning rate.
struct Replays {
    u64 count;
    double rate;
};
struct StepArgs {
    void *parameter;
    const void *gradient;
    void *first, *second;
    const Replays *replays;
    u64 count, step;
    double rate, decay, beta1, beta2, epsilon;
    // 1 - beta^step, which a graph has to find out itself.
    double correction1, correction2;
    u32 gradient_type, state_type, nesterov, is_first;
};

template <class W> DEVICE W read(const void *p, u32 type, u64 i) {
    switch (type) {
    case F16: return (W)up(((const f16 *)p)[i]);
    case BF16: return (W)up(((const bf16 *)p)[i]);
    case F32: return (W)((const f32 *)p)[i];
    default: return (W)((const f64 *)p)[i];
    }
}
template <class W> DEVICE void write(void *p, u32 type, u64 i, W v) {
    switch (type) {
    case F16: ((f16 *)p)[i] = down<f16>(v); break;
    case BF16: ((bf16 *)p)[i] = down<bf16>(v); break;
    case F32: ((f32 *)p)[i] = (f32)v; break;
    default: ((f64 *)p)[i] = (f64)v;
    }
}

// Threads take every 256th element of a block's 1,024, so that a warp reads what lies together and each thread has four loads under way.
template <class F> DEVICE void four(u64 count, F f) {
    u64 first = (u64)blockIdx.x * 1024 + threadIdx.x;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        u64 i = first + k * 256;
        if (i < count) f(i);
    }
}

template <class T> DEVICE void sgd(const StepArgs &a) {
    typedef typename Wide<T>::type W;
    W rate = (W)(a.replays ? a.rate * a.replays->rate : a.rate), decay = (W)a.decay, momentum = (W)a.beta1;
    // After the first run of a graph the momentum is there.
    bool is_first = a.is_first && !(a.replays && a.replays->count);
    T *parameter = (T *)a.parameter;
    four(a.count, [=](u64 i) {
        W p = up(parameter[i]), g = read<W>(a.gradient, a.gradient_type, i);
        if (decay != 0) g += decay * p;
        if (a.first) {
            W m = is_first ? g : momentum * read<W>(a.first, a.state_type, i) + g;
            write<W>(a.first, a.state_type, i, m);
            g = a.nesterov ? g + momentum * m : m;
        }
        parameter[i] = down<T>(p - rate * g);
    });
}

template <class T> DEVICE void adamw(const StepArgs &a) {
    typedef typename Wide<T>::type W;
    double c1 = a.correction1, c2 = a.correction2, factor = 1;
    if (a.replays) {
        double step = (double)(a.step + a.replays->count);
        c1 = 1 - pow(a.beta1, step);
        c2 = 1 - pow(a.beta2, step);
        factor = a.replays->rate;
    }
    W shrink = (W)(1 - a.rate * factor * a.decay), size = (W)(a.rate * factor / c1), root = (W)(1 / sqrt(c2));
    W beta1 = (W)a.beta1, beta2 = (W)a.beta2, rest1 = (W)(1 - a.beta1), rest2 = (W)(1 - a.beta2), epsilon = (W)a.epsilon;
    T *parameter = (T *)a.parameter;
    four(a.count, [=](u64 i) {
        W p = up(parameter[i]) * shrink, g = read<W>(a.gradient, a.gradient_type, i);
        W m = beta1 * read<W>(a.first, a.state_type, i) + rest1 * g;
        W v = beta2 * read<W>(a.second, a.state_type, i) + rest2 * g * g;
        write<W>(a.first, a.state_type, i, m);
        write<W>(a.second, a.state_type, i, v);
        parameter[i] = down<T>(p - size * m / (sqrt(v) * root + epsilon));
    });
}

#define STEPS(T) \
    KERNEL(sgd_##T, StepArgs) { sgd<T>(a); } \
    KERNEL(adamw_##T, StepArgs) { adamw<T>(a); }
FLOATS(STEPS)

// The last kernel of a graph.
struct CountArgs { Replays *replays; };
KERNEL(count_replay, CountArgs) {
    if (thread_number() == 0) a.replays->count++;
}
