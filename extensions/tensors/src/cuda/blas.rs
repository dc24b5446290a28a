//! Matrix products by cuBLASLt, with a plan kept for each shape; by cuBLAS where that finds none.
//!
//! Both think in columns, so a row-major `C = A B` is asked for as `C' = B' A'`.
use super::driver::{Gpu, Memory};
use super::loader::{self, Wanted};
use super::shape::Walk;
use super::{Cuda, tf32_is_allowed};
use crate::error::Result;
use crate::{DType, Layout, Raw};
use cudarc::cublas::sys as old;
use cudarc::cublaslt::sys as lt;
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::{from_ref, null_mut};
use std::sync::{Arc, Mutex, PoisonError};

/// What NVIDIA recommends for Hopper; older GPUs need less.
const WORKSPACE: usize = 32 << 20;

/// A product's shape and how its operands lie, as the libraries are asked: columns first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    dtype: DType,
    tf32: bool,
    m: usize,
    n: usize,
    k: usize,
    batch: usize,
    a: Operand,
    b: Operand,
    /// Powers of two that divide the three addresses, 256 at most.
    alignment: [u32; 3],
}

/// A matrix as a library sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Operand {
    /// Its rows do not lie together, its columns do.
    turned: bool,
    leading: usize,
    /// Elements from one matrix of a batch to the next.
    stride: usize,
}

struct Plan {
    description: lt::cublasLtMatmulDesc_t,
    layouts: [lt::cublasLtMatrixLayout_t; 3],
    algorithm: lt::cublasLtMatmulAlgo_t,
    workspace: usize,
}
// SAFETY: descriptions are not changed after they are made, and the library locks its handle.
unsafe impl Send for Plan {}

#[derive(Default)]
pub(super) struct Blas {
    lt: Option<Handle>,
    old: Option<Handle>,
    workspace: Option<Memory>,
    /// `None`: cuBLASLt knows no way.
    plans: Mutex<HashMap<Key, Option<Arc<Mutex<Plan>>>>>,
}

#[derive(Clone, Copy)]
struct Handle(*mut c_void);
// SAFETY: cuBLAS's handles may be used by any thread; the calls that need a lock are made under one (`plans`).
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Blas {
    /// With what is found; nothing is an answer, too.
    pub fn open(gpu: &'static Gpu) -> Self {
        let mut blas = Self::default();
        if gpu.enter().is_err() {
            return blas;
        }
        if loader::load(Wanted::BlasLt, gpu.driver_major) {
            let mut handle = null_mut();
            // SAFETY: the library is loaded, the context is current, the pointer is to a local.
            let code = unsafe { lt::cublasLtCreate(&mut handle) };
            blas.lt = (code == lt::cublasStatus_t::CUBLAS_STATUS_SUCCESS).then_some(Handle(handle.cast()));
        }
        if loader::load(Wanted::Blas, gpu.driver_major) {
            let mut handle = null_mut();
            // SAFETY: as above; the stream lives as long as the process.
            let code = unsafe {
                match old::cublasCreate_v2(&mut handle) {
                    old::cublasStatus_t::CUBLAS_STATUS_SUCCESS => old::cublasSetStream_v2(handle, gpu.stream.cast()),
                    refused => refused,
                }
            };
            blas.old = (code == old::cublasStatus_t::CUBLAS_STATUS_SUCCESS).then_some(Handle(handle.cast()));
        }
        if blas.lt.is_some() || blas.old.is_some() {
            blas.workspace = gpu.take(DType::U8, &[WORKSPACE]).ok();
        }
        if blas.workspace.is_none() {
            return Self::default();
        }
        if let (Some(handle), Some(workspace)) = (blas.old, &blas.workspace) {
            // A workspace of our own, so that a captured graph can be replayed.
            // SAFETY: the workspace lives as long as the handle.
            let _ = unsafe { old::cublasSetWorkspace_v2(handle.0.cast(), workspace.address as *mut c_void, WORKSPACE) };
        }
        blas
    }

    pub fn describe(&self) -> String {
        match (&self.lt, &self.old) {
            (Some(_), Some(_)) => "cuBLASLt and cuBLAS".to_owned(),
            (Some(_), None) => "cuBLASLt".to_owned(),
            (None, Some(_)) => "cuBLAS".to_owned(),
            (None, None) => "no cuBLAS: matrix products are slow (pip install nvidia-cublas)".to_owned(),
        }
    }

    fn plan(&self, handle: Handle, key: &Key) -> Option<Arc<Mutex<Plan>>> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.entry(*key).or_insert_with(|| Plan::new(handle, key).map(|plan| Arc::new(Mutex::new(plan)))).clone()
    }
}

impl Cuda {
    /// `z = a b`, if a library can.
    pub(super) fn matmul_by_library(&self, a: &Raw, b: &Raw, z: &Raw) -> Result<bool> {
        let blas = self.blas();
        if blas.lt.is_none() && blas.old.is_none() {
            return Ok(false);
        }
        let Some((a, b, mut key)) = self.operands(a, b)? else { return Ok(false) };
        let at = [self.address(&a)?, self.address(&b)?, self.address(z)?];
        key.alignment = at.map(|address| 1 << address.trailing_zeros().min(8));
        self.gpu.enter()?;
        if let Some(handle) = blas.lt
            && let Some(plan) = blas.plan(handle, &key)
        {
            let plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            if self.run_plan(handle, &plan, key.dtype, at) {
                return Ok(true);
            }
        }
        Ok(blas.old.is_some_and(|handle| self.run_old(handle, &key, at)))
    }

    /// The operands as libraries can read them, copied where they cannot, and what is asked of the library.
    fn operands(&self, a: &Raw, b: &Raw) -> Result<Option<(Raw, Raw, Key)>> {
        let rank = a.layout.rank();
        let outer = rank - 2;
        let (m, k, n) = (a.shape()[outer], a.shape()[outer + 1], b.shape()[outer + 1]);
        let readable = |x: &Raw| if operand(&x.layout, 0).is_some() { Ok(x.clone()) } else { self.copy_kernel(x) };
        let (mut a, mut b) = (readable(a)?, readable(b)?);
        let mut walk = Walk::new("matmul", &a.shape()[..outer], [&a.layout.strides[..outer], &b.layout.strides[..outer]])?;
        if walk.shape.rank > 1 {
            (a, b) = (self.copy_kernel(&a)?, self.copy_kernel(&b)?);
            walk = Walk::new("matmul", &a.shape()[..outer], [&a.layout.strides[..outer], &b.layout.strides[..outer]])?;
        }
        let (mut batch, mut m) = (walk.shape.count as usize, m);
        let (a_stride, b_stride) = (walk.step(0) as usize, walk.step(1) as usize);
        let (Some(mut first), Some(mut second)) = (operand(&a.layout, a_stride), operand(&b.layout, b_stride)) else { return Ok(None) };
        // One tall product instead of many: a layer's weights are the same for all.
        if batch > 1 && b_stride == 0 && !first.turned && a_stride == m * first.leading {
            (m, batch) = (m * batch, 1);
            (first.stride, second.stride) = (0, 0);
        }
        let key = Key { dtype: a.dtype, tf32: a.dtype == DType::F32 && tf32_is_allowed(), m, n, k, batch, a: first, b: second, alignment: [0; 3] };
        Ok(Some((a, b, key)))
    }

    fn run_plan(&self, handle: Handle, plan: &Plan, dtype: DType, [a, b, z]: [u64; 3]) -> bool {
        let (one, zero) = (Scalars::new(1.0), Scalars::new(0.0));
        let workspace = self.blas().workspace.as_ref().map_or(0, |w| w.address);
        // SAFETY: the plan was made for these shapes, strides and alignments; all memory is the device's and lives until the stream is past it.
        let code = unsafe {
            lt::cublasLtMatmul(
                handle.0.cast(),
                plan.description,
                one.of(dtype),
                b as *const c_void,
                plan.layouts[0],
                a as *const c_void,
                plan.layouts[1],
                zero.of(dtype),
                z as *const c_void,
                plan.layouts[2],
                z as *mut c_void,
                plan.layouts[2],
                &plan.algorithm,
                workspace as *mut c_void,
                plan.workspace,
                self.gpu.stream.cast(),
            )
        };
        code == lt::cublasStatus_t::CUBLAS_STATUS_SUCCESS
    }

    fn run_old(&self, handle: Handle, key: &Key, [a, b, z]: [u64; 3]) -> bool {
        let (one, zero) = (Scalars::new(1.0), Scalars::new(0.0));
        let turn = |o: Operand| if o.turned { old::cublasOperation_t::CUBLAS_OP_T } else { old::cublasOperation_t::CUBLAS_OP_N };
        let int = |n: usize| i32::try_from(n).ok();
        let (Some(m), Some(n), Some(k), Some(lda), Some(ldb), Some(batch)) = (int(key.m), int(key.n), int(key.k), int(key.a.leading), int(key.b.leading), int(key.batch)) else {
            return false;
        };
        use old::{cublasComputeType_t as Compute, cudaDataType_t as Type};
        let (dtype, compute) = match key.dtype {
            DType::F16 => (Type::CUDA_R_16F, Compute::CUBLAS_COMPUTE_32F),
            DType::BF16 => (Type::CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F),
            DType::F64 => (Type::CUDA_R_64F, Compute::CUBLAS_COMPUTE_64F),
            _ if key.tf32 => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F_FAST_TF32),
            _ => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F),
        };
        // SAFETY: sizes and strides are those of the tensors, whose memory lives until the stream is past it.
        let code = unsafe {
            old::cublasGemmStridedBatchedEx(
                handle.0.cast(),
                turn(key.b),
                turn(key.a),
                n,
                m,
                k,
                one.of(key.dtype),
                b as *const c_void,
                dtype,
                ldb,
                key.b.stride as i64,
                a as *const c_void,
                dtype,
                lda,
                key.a.stride as i64,
                zero.of(key.dtype),
                z as *mut c_void,
                dtype,
                n,
                (key.m * key.n) as i64,
                batch,
                compute,
                old::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        code == old::cublasStatus_t::CUBLAS_STATUS_SUCCESS
    }
}

/// A factor in both types in which one is asked for.
struct Scalars(f32, f64);

impl Scalars {
    fn new(value: f32) -> Self {
        Self(value, f64::from(value))
    }

    fn of(&self, dtype: DType) -> *const c_void {
        if dtype == DType::F64 { from_ref(&self.1).cast() } else { from_ref(&self.0).cast() }
    }
}

/// How a library can read the last two dimensions.
fn operand(layout: &Layout, stride: usize) -> Option<Operand> {
    let d = layout.rank() - 2;
    let (rows, columns) = (layout.shape[d], layout.shape[d + 1]);
    let (row, column) = (layout.strides[d], layout.strides[d + 1]);
    // A dimension of size 1 has whatever stride is wanted.
    if (column == 1 || columns == 1) && (row >= columns || rows == 1) {
        return Some(Operand { turned: false, leading: if rows == 1 { columns } else { row }, stride });
    }
    if (row == 1 || rows == 1) && (column >= rows || columns == 1) {
        return Some(Operand { turned: true, leading: if columns == 1 { rows } else { column }, stride });
    }
    None
}

impl Plan {
    fn new(handle: Handle, key: &Key) -> Option<Self> {
        use lt::{cublasComputeType_t as Compute, cudaDataType_t as Type};
        let (dtype, compute, scale) = match key.dtype {
            DType::F16 => (Type::CUDA_R_16F, Compute::CUBLAS_COMPUTE_32F, Type::CUDA_R_32F),
            DType::BF16 => (Type::CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F, Type::CUDA_R_32F),
            DType::F64 => (Type::CUDA_R_64F, Compute::CUBLAS_COMPUTE_64F, Type::CUDA_R_64F),
            _ if key.tf32 => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F_FAST_TF32, Type::CUDA_R_32F),
            _ => (Type::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F, Type::CUDA_R_32F),
        };
        let mut description = null_mut();
        // SAFETY: a pointer to a local.
        done(unsafe { lt::cublasLtMatmulDescCreate(&mut description, compute, scale) })?;
        use lt::cublasLtMatmulDescAttributes_t as Attribute;
        for (attribute, operand) in [(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, key.b), (Attribute::CUBLASLT_MATMUL_DESC_TRANSB, key.a)] {
            let turned = i32::from(operand.turned);
            // SAFETY: the attribute is an `int32_t`, which is copied.
            done(unsafe { lt::cublasLtMatmulDescSetAttribute(description, attribute, from_ref(&turned).cast(), 4) })?;
        }
        // What the library calls A is our b: n x k in columns.
        let seen = |o: Operand, rows: usize, columns: usize| if o.turned { (columns, rows, o) } else { (rows, columns, o) };
        let result = Operand { turned: false, leading: key.n, stride: key.m * key.n };
        let matrices = [seen(key.b, key.n, key.k), seen(key.a, key.k, key.m), (key.n, key.m, result)];
        let mut layouts = [null_mut(); 3];
        for (layout, (rows, columns, operand)) in layouts.iter_mut().zip(matrices) {
            use lt::cublasLtMatrixLayoutAttribute_t as Attribute;
            let (count, stride) = (key.batch as i32, operand.stride as i64);
            // SAFETY: pointers to locals of the sizes that the attributes have; the library copies them.
            unsafe {
                done(lt::cublasLtMatrixLayoutCreate(layout, dtype, rows as u64, columns as u64, operand.leading as i64))?;
                done(lt::cublasLtMatrixLayoutSetAttribute(*layout, Attribute::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, from_ref(&count).cast(), 4))?;
                done(lt::cublasLtMatrixLayoutSetAttribute(*layout, Attribute::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, from_ref(&stride).cast(), 8))?;
            }
        }
        Self::choose(handle, key, description, layouts)
    }

    /// The way that the library thinks best.
    fn choose(handle: Handle, key: &Key, description: lt::cublasLtMatmulDesc_t, layouts: [lt::cublasLtMatrixLayout_t; 3]) -> Option<Self> {
        use lt::cublasLtMatmulPreferenceAttributes_t as Wish;
        let mut preference = null_mut();
        let (workspace, [a, b, z]) = (WORKSPACE, key.alignment);
        let aligned = [(Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, b), (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, a), (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, z), (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, z)];
        // SAFETY: pointers to locals of the sizes that the attributes have (u64, then u32); the library copies them.
        unsafe {
            done(lt::cublasLtMatmulPreferenceCreate(&mut preference))?;
            done(lt::cublasLtMatmulPreferenceSetAttribute(preference, Wish::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, from_ref(&workspace).cast(), 8))?;
            for (wish, bytes) in aligned {
                done(lt::cublasLtMatmulPreferenceSetAttribute(preference, wish, from_ref(&bytes).cast(), 4))?;
            }
        }
        let (mut best, mut found) = (std::mem::MaybeUninit::<lt::cublasLtMatmulHeuristicResult_t>::zeroed(), 0);
        // SAFETY: room for one answer is given and one is asked for; an answer is read only if there is one.
        unsafe {
            let code = lt::cublasLtMatmulAlgoGetHeuristic(handle.0.cast(), description, layouts[0], layouts[1], layouts[2], layouts[2], preference, 1, best.as_mut_ptr(), &mut found);
            lt::cublasLtMatmulPreferenceDestroy(preference);
            done(code)?;
            (found > 0).then(|| {
                let best = best.assume_init();
                Self { description, layouts, algorithm: best.algo, workspace: best.workspaceSize }
            })
        }
    }
}

fn done(code: lt::cublasStatus_t) -> Option<()> {
    (code == lt::cublasStatus_t::CUBLAS_STATUS_SUCCESS).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(shape: &[usize], strides: &[usize]) -> Layout {
        Layout { shape: shape.into(), strides: strides.into(), offset: 0 }
    }

    #[test]
    fn operands_are_read_as_they_lie() {
        let plain = Operand { turned: false, leading: 5, stride: 0 };
        assert_eq!(operand(&layout(&[4, 5], &[5, 1]), 0), Some(plain));
        // A part of a wider matrix, and a transposed one.
        assert_eq!(operand(&layout(&[4, 5], &[9, 1]), 0), Some(Operand { leading: 9, ..plain }));
        assert_eq!(operand(&layout(&[4, 5], &[1, 4]), 7), Some(Operand { turned: true, leading: 4, stride: 7 }));
        // Vectors, whatever the stride of the dimension of size 1.
        assert_eq!(operand(&layout(&[1, 5], &[77, 1]), 0), Some(plain));
        assert_eq!(operand(&layout(&[4, 1], &[1, 77]), 0), Some(Operand { leading: 1, ..plain }));
        // Rows and columns both apart: copied first.
        assert_eq!(operand(&layout(&[4, 5], &[10, 2]), 0), None);
        assert_eq!(operand(&layout(&[4, 5], &[0, 1]), 0), None);
    }
}
