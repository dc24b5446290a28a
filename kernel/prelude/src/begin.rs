//! What the prelude does once in a process, before the first cell that links it runs: extensions that know nothing of cells are told of the host.
use std::path::PathBuf;
use std::sync::Once;

/// Generated code calls it first in each cell that links the prelude; after the first time it costs a nanosecond.
#[inline(never)]
pub fn __begin() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        // *Interrupt* ends tensor operations, and then the cell as it ends any other.
        ochre_tensors::interrupt::set_check(ochre_runtime::interrupted);
        ochre_tensors::interrupt::set_unwind(ochre_runtime::__rt::check);
        ochre_nn::data::set_fetch(fetch);
    });
}

/// Data of a store, for `ochre::data::cifar10("az://…")`: by the credentials of the notebook, kept in the stores' cache.
fn fetch(address: &str) -> Result<PathBuf, String> {
    ochre_stores::store(address).local("").map_err(|error| error.to_string())
}
