//! The libraries of CUDA that tensors can use, their files and the packages that bring them.

/// A library that does not come with the driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Library {
    /// Matrix products.
    BlasLt,
    /// Matrix products, the older interface.
    Blas,
    /// Convolutions and attention.
    Dnn,
    /// Compiles kernels at run time: fused element-wise operations, and some of cuDNN's engines.
    Nvrtc,
}

/// Major versions of CUDA whose libraries we speak to, the newest first.
pub const MAJORS: [u32; 2] = [13, 12];

/// Those that a driver can serve, the newest first; `driver` is the newest CUDA that it knows.
pub fn majors(driver: u32) -> impl Iterator<Item = u32> {
    MAJORS.into_iter().filter(move |&major| major <= driver.max(MAJORS[1]))
}

impl Library {
    /// File names in the order in which they are opened, for a major version of CUDA. What is optional comes with `?`.
    pub fn files(self, major: u32) -> Vec<String> {
        match self {
            Self::BlasLt => vec![format!("libcublasLt.so.{major}")],
            Self::Blas => vec![format!("libcublasLt.so.{major}"), format!("libcublas.so.{major}")],
            // Some of cuDNN's engines compile at run time and multiply with cuBLASLt.
            Self::Dnn => {
                let optional = [format!("?libnvrtc-builtins.so.{major}"), format!("?libnvrtc.so.{major}"), format!("?libcublasLt.so.{major}")];
                optional.into_iter().chain(["libcudnn.so.9".to_owned()]).collect()
            }
            Self::Nvrtc => vec![format!("libnvrtc-builtins.so.{major}"), format!("libnvrtc.so.{major}")],
        }
    }

    /// As NVIDIA writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BlasLt => "cuBLASLt",
            Self::Blas => "cuBLAS",
            Self::Dnn => "cuDNN",
            Self::Nvrtc => "NVRTC",
        }
    }

    /// What pip calls the package. From CUDA 13 on, names carry the version only where a library has versions of its own.
    pub fn package(self, major: u32) -> String {
        let base = match self {
            Self::BlasLt | Self::Blas => "nvidia-cublas",
            Self::Dnn => "nvidia-cudnn",
            Self::Nvrtc => "nvidia-cuda-nvrtc",
        };
        if major < 13 || self == Self::Dnn { format!("{base}-cu{major}") } else { base.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_serves_its_own_and_older_versions() {
        assert_eq!(majors(13).collect::<Vec<_>>(), [13, 12]);
        assert_eq!(majors(14).collect::<Vec<_>>(), [13, 12]);
        assert_eq!(majors(12).collect::<Vec<_>>(), [12]);
    }

    #[test]
    fn packages_have_the_names_of_the_index() {
        let names = |major| [Library::Blas, Library::Dnn, Library::Nvrtc].map(|library| library.package(major));
        assert_eq!(names(13), ["nvidia-cublas", "nvidia-cudnn-cu13", "nvidia-cuda-nvrtc"]);
        assert_eq!(names(12), ["nvidia-cublas-cu12", "nvidia-cudnn-cu12", "nvidia-cuda-nvrtc-cu12"]);
    }
}
