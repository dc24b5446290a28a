//! Which calls are trapped: the filter. All that name a file by a path, and closing of the few descriptors through which files are written.
//!
//! ```text
//! open* stat* access* readlink* chdir mkdir* unlink* rename* …   -> asked about
//! fstat (a path that is empty)                                   -> not
//! close, fsync, fdatasync of descriptors WRITTEN                 -> asked about
//! exit_group                                                     -> asked about: who is killed does not get there
//! all else (read, write, mmap, …)                                -> not; the system remembers that, and runs no filter for them
//! ```

use std::ops::Range;
use std::os::fd::RawFd;

use super::sys;

/// How many files one process can write at the same time with errors told at `close`; more are written all the same.
const WRITTEN_AT_ONCE: RawFd = 64;
/// Descriptors of written files lie just below this number, or below the process's limit where that is lower: `select` knows no higher ones.
const WRITTEN_BELOW: u64 = 1024;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Calls that are always asked about.
#[cfg(target_arch = "x86_64")]
const ALWAYS: &[i64] = &[
    libc::SYS_openat, libc::SYS_open, libc::SYS_openat2, libc::SYS_creat, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_readlink, libc::SYS_readlinkat, libc::SYS_chdir, libc::SYS_truncate, libc::SYS_unlink, libc::SYS_unlinkat,
    libc::SYS_rmdir, libc::SYS_mkdir, libc::SYS_mkdirat, libc::SYS_rename, libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_link, libc::SYS_linkat,
    libc::SYS_symlink, libc::SYS_symlinkat, libc::SYS_mknod, libc::SYS_mknodat, libc::SYS_chmod, libc::SYS_fchmodat, FCHMODAT2, libc::SYS_chown,
    libc::SYS_lchown, libc::SYS_fchownat, libc::SYS_utime, libc::SYS_utimes, libc::SYS_futimesat, libc::SYS_utimensat, libc::SYS_exit_group,
];
#[cfg(target_arch = "aarch64")]
const ALWAYS: &[i64] = &[
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_readlinkat, libc::SYS_chdir, libc::SYS_truncate,
    libc::SYS_unlinkat, libc::SYS_mkdirat, libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_mknodat,
    libc::SYS_fchmodat, FCHMODAT2, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_exit_group,
];
/// Linux 6.6; the same number everywhere.
pub(super) const FCHMODAT2: i64 = 452;

/// The descriptors at which written files are put.
pub(super) fn written() -> Range<RawFd> {
    let top = sys::open_files_limit().min(WRITTEN_BELOW) as RawFd;
    (top - WRITTEN_AT_ONCE).max(top / 2)..top
}

/// The filter.
pub(super) fn program() -> Vec<libc::sock_filter> {
    let mut filter = Filter(Vec::new());
    filter.load(std::mem::offset_of!(libc::seccomp_data, arch));
    // Calls of another architecture (32-bit programs) cannot be told apart by number: they run as they are.
    filter.unless_equal(ARCHITECTURE, |filter| filter.end(libc::SECCOMP_RET_ALLOW));
    filter.load(std::mem::offset_of!(libc::seccomp_data, nr));
    for number in ALWAYS {
        filter.equal(*number as u32, 1);
        filter.end(libc::SECCOMP_RET_USER_NOTIF);
    }
    for (number, flags) in [(libc::SYS_newfstatat, 3), (libc::SYS_statx, 2)] {
        filter.equal(number as u32, 4);
        filter.load(argument(flags));
        filter.push(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, libc::AT_EMPTY_PATH as u32, 0, 1);
        filter.end(libc::SECCOMP_RET_ALLOW);
        filter.end(libc::SECCOMP_RET_USER_NOTIF);
    }
    let written = written();
    for number in [libc::SYS_close, libc::SYS_fsync, libc::SYS_fdatasync] {
        filter.equal(number as u32, 5);
        filter.load(argument(0));
        filter.push(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, written.start as u32, 0, 2);
        filter.push(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, written.end as u32, 1, 0);
        filter.end(libc::SECCOMP_RET_USER_NOTIF);
        filter.end(libc::SECCOMP_RET_ALLOW);
    }
    filter.end(libc::SECCOMP_RET_ALLOW);
    filter.0
}

/// The filter as it crosses the link.
pub(super) fn bytes(program: &[libc::sock_filter]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * size_of::<libc::sock_filter>());
    for instruction in program {
        bytes.extend_from_slice(&instruction.code.to_ne_bytes());
        bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
        bytes.extend_from_slice(&instruction.k.to_ne_bytes());
    }
    bytes
}

/// Where the low half of an argument lies: flags and descriptors fit in it.
fn argument(number: usize) -> usize {
    let low = if cfg!(target_endian = "big") { 4 } else { 0 };
    std::mem::offset_of!(libc::seccomp_data, args) + 8 * number + low
}

struct Filter(Vec<libc::sock_filter>);

impl Filter {
    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) {
        self.0.push(libc::sock_filter { code: code as u16, jt, jf, k });
    }

    fn load(&mut self, offset: usize) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32, 0, 0);
    }

    /// Goes on if the loaded value is this one, else skips some instructions.
    fn equal(&mut self, value: u32, skip: u8) {
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, 0, skip);
    }

    fn unless_equal(&mut self, value: u32, then: impl FnOnce(&mut Self)) {
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, 1, 0);
        then(self);
    }

    fn end(&mut self, action: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, action, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the system would.
    fn verdict(program: &[libc::sock_filter], arch: u32, number: i64, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend_from_slice(&(number as u32).to_ne_bytes());
        data.extend_from_slice(&arch.to_ne_bytes());
        data.extend_from_slice(&0u64.to_ne_bytes());
        arguments.iter().for_each(|a| data.extend_from_slice(&a.to_ne_bytes()));
        let (mut at, mut loaded) = (0, 0u32);
        loop {
            let one = &program[at];
            let k = one.k;
            let jump = |taken: bool| 1 + usize::from(if taken { one.jt } else { one.jf });
            at += match u32::from(one.code) {
                c if c == libc::BPF_RET | libc::BPF_K => return k,
                c if c == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    loaded = u32::from_ne_bytes(data[k as usize..k as usize + 4].try_into().unwrap());
                    1
                }
                c if c == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => jump(loaded == k),
                c if c == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => jump(loaded >= k),
                c if c == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K => jump(loaded & k != 0),
                c => panic!("unexpected instruction {c}"),
            };
        }
    }

    #[test]
    fn the_filter_asks_about_paths_and_nothing_else() {
        let program = program();
        let (ask, allow) = (libc::SECCOMP_RET_USER_NOTIF, libc::SECCOMP_RET_ALLOW);
        let written = written();
        let cases = [
            (libc::SYS_openat, [0; 6], ask),
            (libc::SYS_openat2, [0; 6], ask),
            (libc::SYS_utimensat, [0; 6], ask),
            (libc::SYS_exit_group, [0; 6], ask),
            (libc::SYS_exit, [0; 6], allow),
            (libc::SYS_read, [written.start as u64, 0, 0, 0, 0, 0], allow),
            (libc::SYS_mmap, [0; 6], allow),
            (libc::SYS_newfstatat, [0; 6], ask),
            (libc::SYS_newfstatat, [0, 0, 0, 0x1000, 0, 0], allow),
            (libc::SYS_statx, [0, 0, 0x900, 0, 0, 0], ask),
            (libc::SYS_statx, [0, 0, 0x1000, 0, 0, 0], allow),
            (libc::SYS_close, [written.start as u64 - 1, 0, 0, 0, 0, 0], allow),
            (libc::SYS_close, [written.start as u64, 0, 0, 0, 0, 0], ask),
            (libc::SYS_close, [written.end as u64 - 1, 0, 0, 0, 0, 0], ask),
            (libc::SYS_close, [written.end as u64, 0, 0, 0, 0, 0], allow),
            (libc::SYS_fsync, [written.start as u64, 0, 0, 0, 0, 0], ask),
            (libc::SYS_fdatasync, [3, 0, 0, 0, 0, 0], allow),
        ];
        for (number, arguments, expected) in cases {
            assert_eq!(verdict(&program, ARCHITECTURE, number, arguments), expected, "{number} {arguments:?}");
        }
        assert_eq!(verdict(&program, 0x4000_0003, libc::SYS_openat, [0; 6]), allow);
        assert_eq!(bytes(&program).len(), 8 * program.len());
    }
}
