//! Loops compiled for what this machine's processor can do: the one place (besides `gemm.rs`) where instruction sets are named.
//!
//! A loop is a [`Job`] whose body is inlined into a function for AVX-512, for AVX2 with FMA, and for the baseline; the first call finds out
//! which one runs. `OCHRE_CPU_LEVEL` (`base`, `avx2`, `avx512`) lowers it, for tests and where a processor is suspected. The compiler vectorises each. On aarch64 the baseline has NEON and fused multiply-add already.
#![allow(unsafe_code)]

/// What the body of a loop may ask of the processor.
pub trait Level {
    /// Whether a fused multiply-add is one instruction.
    const FUSED: bool;
}

/// With fused multiply-add.
pub struct Fused;
/// Without it.
pub struct Plain;

impl Level for Fused {
    const FUSED: bool = true;
}
impl Level for Plain {
    const FUSED: bool = cfg!(target_arch = "aarch64");
}

/// A loop. `run` has to be `#[inline(always)]`, as all it calls, to be compiled for each level.
pub trait Job {
    type Out;
    fn run<L: Level>(self) -> Self::Out;
}

/// What the processor can do, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reach {
    Base,
    Avx2,
    Avx512,
}

impl Reach {
    /// As `OCHRE_CPU_LEVEL` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// What is used of this machine's processor: what it can do, or less where `OCHRE_CPU_LEVEL` says so when it is first asked.
#[cfg(target_arch = "x86_64")]
pub fn reach() -> Reach {
    use std::sync::OnceLock;
    static REACH: OnceLock<Reach> = OnceLock::new();
    *REACH.get_or_init(|| {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let found = match (avx512, avx2) {
            (true, true) => Reach::Avx512,
            (_, true) => Reach::Avx2,
            _ => Reach::Base,
        };
        let named = std::env::var("OCHRE_CPU_LEVEL").unwrap_or_default();
        let allowed = [Reach::Base, Reach::Avx2, Reach::Avx512].into_iter().find(|level| level.name() == named);
        allowed.map_or(found, |allowed| allowed.min(found))
    })
}

/// What is used of this machine's processor: what every one of its kind can.
#[cfg(not(target_arch = "x86_64"))]
pub fn reach() -> Reach {
    Reach::Base
}

/// Runs a loop as well as this machine can.
#[inline]
pub fn run<J: Job>(job: J) -> J::Out {
    #[cfg(target_arch = "x86_64")]
    match reach() {
        // SAFETY: `reach` has found every feature that `avx512` is compiled for.
        Reach::Avx512 => return unsafe { avx512(job) },
        // SAFETY: as above, for `avx2`.
        Reach::Avx2 => return unsafe { avx2(job) },
        Reach::Base => {}
    }
    job.run::<Plain>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn avx512<J: Job>(job: J) -> J::Out {
    job.run::<Fused>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<J: Job>(job: J) -> J::Out {
    job.run::<Fused>()
}
