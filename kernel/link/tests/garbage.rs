//! Whatever arrives, decoding neither panics nor asks for much memory.
mod samples;

use ochre_link::{FromWorker, MAX_FRAME_BYTES, ToWorker, frame};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Largest single request for memory since the last reset.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Watched;

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// A garbage message of a few bytes may cost this much, in bytes: serde's own caution is 1 MiB.
const MODEST: usize = 2 << 20;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn decode_both(body: &[u8]) {
    let _ = frame::decode::<ToWorker>(body);
    let _ = frame::decode::<FromWorker>(body);
}

#[test]
fn garbage_neither_panics_nor_eats_memory() {
    let mut dice = Dice(0x5EED);
    LARGEST.store(0, Ordering::Relaxed);
    for _ in 0..20_000 {
        let len = (dice.next() % 64) as usize;
        let body: Vec<u8> = (0..len).map(|_| dice.next() as u8).collect();
        decode_both(&body);
    }
    // Real messages with one byte changed reach deeper.
    let mut bodies: Vec<Vec<u8>> = samples::to_worker().iter().map(|(_, m)| frame::encode(m).unwrap()).collect();
    bodies.extend(samples::from_worker().iter().map(|(_, m)| frame::encode(m).unwrap()));
    for frame in &bodies {
        for position in 4..frame.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, dice.next() as u8] {
                let mut body = frame[4..].to_vec();
                body[position - 4] = value;
                decode_both(&body);
            }
        }
    }
    // Lengths that claim nearly everything.
    for variant in 0..16u8 {
        let mut body = vec![variant];
        body.extend([0xff; 9]);
        body.push(1);
        decode_both(&body);
    }
    let mut lying = (MAX_FRAME_BYTES as u32).to_le_bytes().to_vec();
    lying.extend([0; 100]);
    assert!(frame::read::<ToWorker>(&mut lying.as_slice()).is_err());
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest <= MODEST, "garbage made us ask for {largest} bytes at once");
}
