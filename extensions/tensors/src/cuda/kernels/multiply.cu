// Matrix products for hosts that have the driver alone: tiles of 64 x 64 in shared memory, 4 x 4 results in each of 256 threads.
#include "common.cuh"

struct ProductArgs {
    const void *x, *y;
    void *z;
    u64 m, n, k;
    // In elements, of rows and columns of both.
    u64 x_row, x_column, y_row, y_column;
    // Leading dimensions.
    Shape batch;
    Strides xs, ys;
};
template <class T> DEVICE void product(const ProductArgs &a) {
    typedef typename Wide<T>::type W;
    SHARED W xs[16][65], ys[16][65];
    u64 rows = (a.m + 63) / 64, first_row = blockIdx.x % rows * 64, first_column = blockIdx.x / rows * 64;
    int t = threadIdx.x, row = t / 16 * 4, column = t % 16 * 4;
    for (u64 b = blockIdx.y; b < a.batch.count; b += gridDim.y) {
        u64 at_x, at_y;
        offsets_of(a.batch, a.xs, a.ys, b, at_x, at_y);
        const T *x = (const T *)a.x + at_x, *y = (const T *)a.y + at_y;
        W sums[4][4] = {};
        for (u64 k = 0; k < a.k; k += 16) {
            for (int i = t; i < 64 * 16; i += 256) {
                // Neighbouring threads read what lies together.
                int deep = a.x_column == 1 ? i % 16 : i / 64, wide = a.x_column == 1 ? i / 16 : i % 64;
                xs[deep][wide] = first_row + wide < a.m && k + deep < a.k ? up(x[(first_row + wide) * a.x_row + (k + deep) * a.x_column]) : (W)0;
                deep = a.y_column == 1 ? i / 64 : i % 16;
                wide = a.y_column == 1 ? i % 64 : i / 16;
                ys[deep][wide] = first_column + wide < a.n && k + deep < a.k ? up(y[(k + deep) * a.y_row + (first_column + wide) * a.y_column]) : (W)0;
            }
            __syncthreads();
#pragma unroll
            for (int d = 0; d < 16; d++) {
                W p[4], q[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    p[i] = xs[d][row + i];
                    q[i] = ys[d][column + i];
                }
#pragma unroll
                for (int i = 0; i < 4; i++)
#pragma unroll
                    for (int j = 0; j < 4; j++) sums[i][j] += p[i] * q[j];
            }
            __syncthreads();
        }
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                if (first_row + row + i < a.m && first_column + column + j < a.n)
                    ((T *)a.z)[(b * a.m + first_row + row + i) * a.n + first_column + column + j] = down<T>(sums[i][j]);
    }
}
#define PRODUCTS(T) KERNEL(product_##T, ProductArgs) { product<T>(a); }
FLOATS(PRODUCTS)
