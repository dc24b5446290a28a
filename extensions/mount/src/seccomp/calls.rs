//! A trapped call as what it wants: the numbers and arguments of the system become an operation on one or two paths. Pure.

use super::program::FCHMODAT2;
use super::sys::Trapped;

/// A path as a caller names it: relative to a directory descriptor (or `AT_FDCWD`), at an address in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) directory: i32,
    pub(super) address: u64,
}

/// What a call wants of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Open { flags: i32 },
    /// `openat2`: the flags are in a structure in the caller's memory.
    OpenHow { address: u64 },
    /// `stat` and its kind: the result goes to this address.
    Stat { to: u64 },
    Statx { flags: i32, mask: u32, to: u64 },
    Access { mode: i32 },
    /// It only has to be there: `chdir`, `readlink`.
    BeThere,
    Delete { directory: bool },
    MakeDirectory,
    /// The second path is where it goes.
    Rename { to: Named, flags: u32 },
    /// A thing that a store has not: links, devices, `truncate` of a path.
    Impossible { other: Option<Named> },
    /// Modes, owners and times, which a store does not keep.
    Ignored,
}

/// A trapped call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// On a path; `follow`: a link at its end is followed.
    Path { path: Named, follow: bool, wish: Wish },
    /// A written file is closed.
    Close { descriptor: i32 },
    /// A written file is to be in the store now.
    Sync { descriptor: i32 },
    /// The program ends of its own will.
    Exit,
    /// None of ours.
    Other,
}

/// Reads a call.
pub(super) fn call(trapped: &Trapped) -> Call {
    let a = trapped.arguments;
    let number = trapped.number;
    let at = |directory: usize, path: usize| Named { directory: a[directory] as i32, address: a[path] };
    let path = |path: Named, follow: bool, wish: Wish| Call::Path { path, follow, wish };
    let nofollow = |flags: u64| flags & libc::AT_SYMLINK_NOFOLLOW as u64 != 0;
    match number {
        libc::SYS_openat => {
            let flags = a[2] as i32;
            path(at(0, 1), flags & libc::O_NOFOLLOW == 0, Wish::Open { flags })
        }
        libc::SYS_openat2 => path(at(0, 1), true, Wish::OpenHow { address: a[2] }),
        libc::SYS_newfstatat => path(at(0, 1), !nofollow(a[3]), Wish::Stat { to: a[2] }),
        libc::SYS_statx => path(at(0, 1), !nofollow(a[2]), Wish::Statx { flags: a[2] as i32, mask: a[3] as u32, to: a[4] }),
        libc::SYS_faccessat => path(at(0, 1), true, Wish::Access { mode: a[2] as i32 }),
        libc::SYS_faccessat2 => path(at(0, 1), !nofollow(a[3]), Wish::Access { mode: a[2] as i32 }),
        libc::SYS_readlinkat => path(at(0, 1), false, Wish::BeThere),
        libc::SYS_chdir => path(here(a[0]), true, Wish::BeThere),
        libc::SYS_truncate => path(here(a[0]), true, Wish::Impossible { other: None }),
        libc::SYS_unlinkat => path(at(0, 1), false, Wish::Delete { directory: a[2] & libc::AT_REMOVEDIR as u64 != 0 }),
        libc::SYS_mkdirat => path(at(0, 1), false, Wish::MakeDirectory),
        libc::SYS_renameat => path(at(0, 1), false, Wish::Rename { to: at(2, 3), flags: 0 }),
        libc::SYS_renameat2 => path(at(0, 1), false, Wish::Rename { to: at(2, 3), flags: a[4] as u32 }),
        libc::SYS_linkat => path(at(0, 1), false, Wish::Impossible { other: Some(at(2, 3)) }),
        libc::SYS_symlinkat => path(at(1, 2), false, Wish::Impossible { other: None }),
        libc::SYS_mknodat => path(at(0, 1), false, Wish::Impossible { other: None }),
        libc::SYS_fchmodat => path(at(0, 1), true, Wish::Ignored),
        FCHMODAT2 => path(at(0, 1), !nofollow(a[3]), Wish::Ignored),
        libc::SYS_fchownat => path(at(0, 1), !nofollow(a[4]), Wish::Ignored),
        // Without a path it is about a descriptor.
        libc::SYS_utimensat if a[1] == 0 => Call::Other,
        libc::SYS_utimensat => path(at(0, 1), !nofollow(a[3]), Wish::Ignored),
        libc::SYS_close => Call::Close { descriptor: a[0] as i32 },
        libc::SYS_exit_group => Call::Exit,
        libc::SYS_fsync | libc::SYS_fdatasync => Call::Sync { descriptor: a[0] as i32 },
        _ => old(trapped),
    }
}

/// The calls that newer machines do without.
#[cfg(target_arch = "x86_64")]
fn old(trapped: &Trapped) -> Call {
    let a = trapped.arguments;
    let path = |follow: bool, wish: Wish| Call::Path { path: here(a[0]), follow, wish };
    match trapped.number {
        libc::SYS_open => path(a[1] as i32 & libc::O_NOFOLLOW == 0, Wish::Open { flags: a[1] as i32 }),
        libc::SYS_creat => path(true, Wish::Open { flags: libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC }),
        libc::SYS_stat => path(true, Wish::Stat { to: a[1] }),
        libc::SYS_lstat => path(false, Wish::Stat { to: a[1] }),
        libc::SYS_access => path(true, Wish::Access { mode: a[1] as i32 }),
        libc::SYS_readlink => path(false, Wish::BeThere),
        libc::SYS_unlink => path(false, Wish::Delete { directory: false }),
        libc::SYS_rmdir => path(false, Wish::Delete { directory: true }),
        libc::SYS_mkdir => path(false, Wish::MakeDirectory),
        libc::SYS_rename => path(false, Wish::Rename { to: here(a[1]), flags: 0 }),
        libc::SYS_link => path(false, Wish::Impossible { other: Some(here(a[1])) }),
        libc::SYS_symlink => Call::Path { path: here(a[1]), follow: false, wish: Wish::Impossible { other: None } },
        libc::SYS_mknod => path(false, Wish::Impossible { other: None }),
        libc::SYS_chmod | libc::SYS_chown | libc::SYS_utime | libc::SYS_utimes => path(true, Wish::Ignored),
        libc::SYS_lchown => path(false, Wish::Ignored),
        libc::SYS_futimesat if a[1] == 0 => Call::Other,
        libc::SYS_futimesat => Call::Path { path: Named { directory: a[0] as i32, address: a[1] }, follow: true, wish: Wish::Ignored },
        _ => Call::Other,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn old(_trapped: &Trapped) -> Call {
    Call::Other
}

/// Relative to the caller's directory.
fn here(address: u64) -> Named {
    Named { directory: libc::AT_FDCWD, address }
}
