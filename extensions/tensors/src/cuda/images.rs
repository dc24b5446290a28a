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
images!("unary", "binary", "cast", "move", "reduce", "order", "rows", "norm", "window", "train", "multiply");

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_kernels_in_the_binary_are_those_of_the_sources() {
        // FNV-1a of 64 bits over names and texts, as `tests/gpu/ptx.py` computes it.
        let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/kernels");
        let mut files: Vec<_> = std::fs::read_dir(&kernels).expect("the kernels").flatten().map(|e| e.path()).collect();
        files.sort();
        let of = |ending: &str| files.iter().filter(|f| f.extension().is_some_and(|e| e == ending)).cloned().collect::<Vec<_>>();
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for file in of("cu").iter().chain(&of("cuh")) {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read(file).expect("readable");
            for byte in name.bytes().chain([0]).chain(text).chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        let built = std::fs::read_to_string(kernels.join("built/HASH")).expect("built");
        assert_eq!(built.trim(), format!("{hash:016x}"), "a kernel was changed: run `cargo xtask ptx`");
    }

    #[test]
    fn kernels_take_what_they_are_given() {
        use crate::cuda::{convolution, element, index, norm, product, reduce, rows, train, window};
        let tables = [element::SIZES, reduce::SIZES, index::SIZES, rows::SIZES, norm::SIZES, window::SIZES, convolution::SIZES, product::SIZES, train::SIZES];
        for &(module, kernel, size) in tables.into_iter().flatten() {
            let text = String::from_utf8(image(module, (12, 0)).expect("PTX")).expect("text");
            let begin = text.find(&format!(".entry {kernel}(")).unwrap_or_else(|| panic!("{module} has no {kernel}"));
            let parameter = text[begin..].lines().nth(1).expect("a parameter").trim();
            assert!(parameter.ends_with(&format!("[{size}]")), "{kernel} takes `{parameter}`, and is given {size} bytes");
        }
    }

    #[test]
    fn every_module_has_code_for_each_generation() {
        for module in IMAGES {
            let text = image(module.name, (12, 0)).expect("PTX");
            assert!(text.ends_with(&[0]) && String::from_utf8_lossy(&text).contains(".version 8.1"), "{}", module.name);
            for capability in [(8, 0), (8, 9), (9, 0)] {
                assert!(image(module.name, capability).expect("machine code").starts_with(b"\x7fELF"), "{}", module.name);
            }
            assert!(image(module.name, (7, 5)).is_err());
        }
    }
}
