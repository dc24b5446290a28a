//! The kernels as they lie in the binary, made by `cargo xtask ptx` from `kernels/*.cu`: PTX for every GPU from sm_80 on, which the driver
//! compiles at the first use of a module, and machine code for sm_80 (Ampere, Ada) and sm_90 (Hopper), which it takes as it is.
use crate::DType;
use std::io::Read;

/// A kernel's place and name. `exp` of `unary` for f32 is `exp_f32`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Kernel {
    pub module: &'static str,
    pub name: &'static str,
    pub types: [Option<DType>; 2],
}

impl Kernel {
    pub const fn new(module: &'static str, name: &'static str) -> Self {
        Self { module, name, types: [None, None] }
    }

    pub const fn of(module: &'static str, name: &'static str, dtype: DType) -> Self {
        Self { module, name, types: [Some(dtype), None] }
    }

    pub const fn of_two(module: &'static str, name: &'static str, from: DType, to: DType) -> Self {
        Self { module, name, types: [Some(from), Some(to)] }
    }

    /// What the kernel is called in its module.
    pub fn symbol(&self) -> String {
        let mut symbol = self.name.to_owned();
        for dtype in self.types.iter().flatten() {
            symbol.push('_');
            // `bool` is a word of C++.
            symbol.push_str(if *dtype == DType::Bool { "boolean" } else { dtype.name() });
        }
        symbol
    }
}

/// A module's code for three kinds of GPU, compressed.
pub(super) struct Image {
    pub name: &'static str,
    pub ptx: &'static [u8],
    pub sm_80: &'static [u8],
    pub sm_90: &'static [u8],
}

macro_rules! images {
    ($($name:literal),*) => {
        pub(super) const IMAGES: &[Image] = &[$(Image {
            name: $name,
            ptx: include_bytes!(concat!("kernels/built/", $name, ".ptx.z")),
            sm_80: include_bytes!(concat!("kernels/built/", $name, ".sm_80.z")),
            sm_90: include_bytes!(concat!("kernels/built/", $name, ".sm_90.z")),
        }),*];
    };
}
images!();

/// What the driver is given for a GPU of this compute capability.
pub(super) fn image(name: &str, capability: (i32, i32)) -> Result<Vec<u8>, String> {
    let image = IMAGES.iter().find(|i| i.name == name).ok_or_else(|| format!("there is no module `{name}`"))?;
    let (packed, is_text) = match capability {
        (9, 0) => (image.sm_90, false),
        (8, _) => (image.sm_80, false),
        (major, _) if major > 8 => (image.ptx, true),
        (major, minor) => return Err(format!("the GPU is of generation {major}.{minor}; at least 8.0 (Ampere, 2020) is needed")),
    };
    let mut code = Vec::new();
    flate2::read::ZlibDecoder::new(packed).read_to_end(&mut code).map_err(|error| format!("module `{name}` is damaged: {error}"))?;
    if is_text {
        code.push(0);
    }
    Ok(code)
}
