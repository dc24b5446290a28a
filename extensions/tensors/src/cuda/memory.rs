//! The caching allocator: big segments from the driver, cut into pieces, kept when they are freed.
//!
//! All work of a device goes through one stream, so a piece that is freed may be handed out at once: whoever gets it runs after whoever had
//! it. Sizes are PyTorch's: pieces of up to 1 MiB share segments of 2 MiB, those below 10 MiB segments of 20 MiB, larger ones have their own.
//! A captured graph keeps its addresses for ever, so it has segments of its own (`owner`), which come back when the graph is dropped.
use crate::{DType, Dims};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All sizes are multiples of this; it is also what the vectorised kernels need of an address (16) and cuBLAS likes (256).
const GRAIN: usize = 512;
const SMALL: usize = 1 << 20;
const SMALL_SEGMENT: usize = 2 << 20;
const MIDDLE: usize = 10 << 20;
const MIDDLE_SEGMENT: usize = 20 << 20;
/// Segments of large pieces are multiples of this.
const LARGE_GRAIN: usize = 2 << 20;
/// Holders that an out-of-memory error lists.
const LISTED: usize = 5;

/// Where segments come from.
pub trait Segments {
    /// `None`: the device has no more.
    fn reserve(&self, bytes: usize) -> Option<u64>;
    fn release(&self, address: u64);
}

/// What a piece is used for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Label {
    pub dtype: DType,
    pub shape: Dims,
}

/// Whose segments: 0 is everybody's, others are graphs.
pub type Owner = u32;

struct Piece {
    bytes: usize,
    segment: u64,
    owner: Owner,
    small: bool,
    /// `None`: free.
    label: Option<Label>,
}

/// How memory is used, in bytes but for the counts.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Given out now.
    pub allocated: usize,
    pub peak_allocated: usize,
    /// Taken from the driver: given out and kept.
    pub reserved: usize,
    pub peak_reserved: usize,
    pub allocations: u64,
    /// Calls of the driver's allocator; constant once a loop is warm.
    pub segments_taken: u64,
    pub live: usize,
}

#[derive(Default)]
pub struct Pool {
    pieces: BTreeMap<u64, Piece>,
    /// Free pieces by owner and whether small, smallest first.
    free: HashMap<(Owner, bool), BTreeSet<(usize, u64)>>,
    pub statistics: Statistics,
}

impl Pool {
    /// The address of at least `bytes` bytes. `None`: not even after what is kept was given back.
    pub fn allocate(&mut self, from: &dyn Segments, bytes: usize, owner: Owner, label: Label) -> Option<u64> {
        let bytes = bytes.max(1).next_multiple_of(GRAIN);
        let small = bytes <= SMALL;
        let fit = self.free.get(&(owner, small)).and_then(|free| free.range((bytes, 0)..).next().copied());
        let address = match fit {
            Some((_, address)) => address,
            None => self.take_segment(from, bytes, owner, small)?,
        };
        self.split(address, bytes);
        let piece = self.pieces.get_mut(&address)?;
        piece.label = Some(label);
        let size = piece.bytes;
        if let Some(free) = self.free.get_mut(&(owner, small)) {
            free.remove(&(size, address));
        }
        let s = &mut self.statistics;
        (s.allocated, s.allocations, s.live) = (s.allocated + size, s.allocations + 1, s.live + 1);
        s.peak_allocated = s.peak_allocated.max(s.allocated);
        Some(address)
    }

    /// A new free piece that is a whole segment.
    fn take_segment(&mut self, from: &dyn Segments, bytes: usize, owner: Owner, small: bool) -> Option<u64> {
        let size = match bytes {
            _ if small => SMALL_SEGMENT,
            _ if bytes < MIDDLE => MIDDLE_SEGMENT,
            _ => bytes.next_multiple_of(LARGE_GRAIN),
        };
        let address = from.reserve(size).or_else(|| {
            self.give_back(from);
            from.reserve(size)
        })?;
        let s = &mut self.statistics;
        (s.reserved, s.segments_taken) = (s.reserved + size, s.segments_taken + 1);
        s.peak_reserved = s.peak_reserved.max(s.reserved);
        self.pieces.insert(address, Piece { bytes: size, segment: address, owner, small, label: None });
        self.free.entry((owner, small)).or_default().insert((size, address));
        Some(address)
    }

    /// Cuts a free piece to `bytes` if the rest is worth keeping.
    fn split(&mut self, address: u64, bytes: usize) {
        let Some(piece) = self.pieces.get_mut(&address) else { return };
        let (rest, old) = (piece.bytes - bytes, piece.bytes);
        if rest < if piece.small { GRAIN } else { SMALL } {
            return;
        }
        piece.bytes = bytes;
        let (segment, owner, small) = (piece.segment, piece.owner, piece.small);
        let free = self.free.entry((owner, small)).or_default();
        free.remove(&(old, address));
        free.insert((bytes, address));
        free.insert((rest, address + bytes as u64));
        self.pieces.insert(address + bytes as u64, Piece { bytes: rest, segment, owner, small, label: None });
    }

    /// Takes a piece back and joins it with free neighbours of its segment.
    pub fn free(&mut self, address: u64) {
        let Some(mut piece) = self.pieces.remove(&address).filter(|p| p.label.is_some()) else { return };
        piece.label = None;
        self.statistics.allocated -= piece.bytes;
        self.statistics.live -= 1;
        let mut start = address;
        let key = (piece.owner, piece.small);
        let joins = |other: &Piece| other.label.is_none() && other.segment == piece.segment;
        let after = self.pieces.range(address..).next().filter(|(_, next)| joins(next)).map(|(&at, next)| (next.bytes, at));
        let before = self.pieces.range(..address).next_back().filter(|(_, last)| joins(last)).map(|(&at, last)| (last.bytes, at));
        for (bytes, at) in [after, before].into_iter().flatten() {
            self.pieces.remove(&at);
            self.free.entry(key).or_default().remove(&(bytes, at));
            piece.bytes += bytes;
            start = start.min(at);
        }
        self.free.entry(key).or_default().insert((piece.bytes, start));
        self.pieces.insert(start, piece);
    }

    /// Gives segments that nobody uses back to the driver; bytes.
    pub fn give_back(&mut self, from: &dyn Segments) -> usize {
        let whole = |pool: &Self, at: u64, piece: &Piece| {
            let next = pool.pieces.range(at + 1..).next();
            piece.label.is_none() && piece.owner == 0 && piece.segment == at && next.is_none_or(|(_, next)| next.segment != at)
        };
        let unused: Vec<u64> = self.pieces.iter().filter(|&(&at, piece)| whole(self, at, piece)).map(|(&at, _)| at).collect();
        let mut given = 0;
        for at in unused {
            if let Some(piece) = self.pieces.remove(&at) {
                self.free.entry((piece.owner, piece.small)).or_default().remove(&(piece.bytes, at));
                from.release(at);
                given += piece.bytes;
            }
        }
        self.statistics.reserved -= given;
        given
    }

    /// A graph is gone: its segments are everybody's.
    pub fn disown(&mut self, owner: Owner) {
        for piece in self.pieces.values_mut().filter(|p| p.owner == owner) {
            piece.owner = 0;
        }
        for small in [false, true] {
            let freed = self.free.remove(&(owner, small)).unwrap_or_default();
            self.free.entry((0, small)).or_default().extend(freed);
        }
    }

    /// The largest uses of memory, as an error tells them: `; this session holds 64 x f32 [512, 512] = 64.0 MB, …`
    pub fn holders(&self) -> String {
        let largest = self.largest();
        if largest.is_empty() { largest } else { format!("; this session holds {largest}") }
    }

    /// The largest uses of memory: `64 x f32 [512, 512] = 64.0 MB, …`; empty when nothing is used.
    pub fn largest(&self) -> String {
        let mut uses: HashMap<&Label, (usize, usize)> = HashMap::new();
        for piece in self.pieces.values() {
            if let Some(label) = &piece.label {
                let entry = uses.entry(label).or_default();
                (entry.0, entry.1) = (entry.0 + 1, entry.1 + piece.bytes);
            }
        }
        let mut uses: Vec<_> = uses.into_iter().collect();
        uses.sort_by(|a, b| b.1.1.cmp(&a.1.1).then_with(|| a.0.shape.cmp(&b.0.shape)));
        if uses.is_empty() {
            return String::new();
        }
        let one = |(label, (count, bytes)): &(&Label, (usize, usize))| format!("{count} x {} {:?} = {}", label.dtype, &label.shape[..], super::held::size(*bytes));
        let listed: Vec<String> = uses.iter().take(LISTED).map(one).collect();
        let more = uses.len().saturating_sub(LISTED);
        format!("{}{}", listed.join(", "), if more > 0 { format!(" and {more} smaller kinds") } else { String::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// A device of 64 MiB whose addresses are never used twice.
    struct Device {
        left: Cell<usize>,
        next: Cell<u64>,
        given: RefCell<HashMap<u64, usize>>,
    }

    impl Segments for Device {
        fn reserve(&self, bytes: usize) -> Option<u64> {
            self.left.set(self.left.get().checked_sub(bytes)?);
            let at = self.next.replace(self.next.get() + bytes as u64 + 4096);
            self.given.borrow_mut().insert(at, bytes);
            Some(at)
        }
        fn release(&self, address: u64) {
            let bytes = self.given.borrow_mut().remove(&address).expect("a segment");
            self.left.set(self.left.get() + bytes);
        }
    }

    fn device() -> Device {
        Device { left: Cell::new(64 << 20), next: Cell::new(1 << 30), given: RefCell::default() }
    }

    fn label(n: usize) -> Label {
        Label { dtype: DType::F32, shape: Dims::from_slice(&[n]) }
    }

    #[test]
    fn what_is_freed_is_handed_out_again() {
        let (device, mut pool) = (device(), Pool::default());
        let first = pool.allocate(&device, 1000, 0, label(250)).expect("memory");
        pool.free(first);
        for _ in 0..10_000 {
            let again = pool.allocate(&device, 1000, 0, label(250)).expect("memory");
            assert_eq!(again, first);
            pool.free(again);
        }
        assert_eq!((pool.statistics.segments_taken, pool.statistics.allocated, pool.statistics.live), (1, 0, 0));
    }

    #[test]
    fn pieces_never_overlap_and_all_comes_back() {
        let (device, mut pool) = (device(), Pool::default());
        let (mut live, mut state): (Vec<(u64, usize)>, u64) = (Vec::new(), 7);
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let dice = (state >> 33) as usize;
            if dice % 3 == 0 && !live.is_empty() {
                pool.free(live.swap_remove(dice % live.len()).0);
                continue;
            }
            let bytes = if dice % 50 == 1 { dice % (12 << 20) } else { dice % 70_000 };
            if let Some(at) = pool.allocate(&device, bytes, 0, label(bytes)) {
                assert!(at % 512 == 0 && live.iter().all(|&(other, size)| at + bytes as u64 <= other || other + size as u64 <= at));
                live.push((at, bytes));
            } else {
                live.drain(..).for_each(|(at, _)| pool.free(at));
            }
        }
        live.drain(..).for_each(|(at, _)| pool.free(at));
        let reserved = pool.statistics.reserved;
        assert_eq!(pool.give_back(&device), reserved);
        assert_eq!((device.left.get(), pool.statistics.reserved, pool.pieces.len()), (64 << 20, 0, 0));
    }

    #[test]
    fn the_cache_is_given_back_before_memory_is_refused() {
        let (device, mut pool) = (device(), Pool::default());
        let at = pool.allocate(&device, 40 << 20, 0, label(1)).expect("memory");
        pool.free(at);
        let kept = pool.allocate(&device, 60 << 20, 0, label(2)).expect("after the first segment was given back");
        assert!(pool.allocate(&device, 30 << 20, 0, label(3)).is_none());
        assert_eq!(pool.holders(), "; this session holds 1 x f32 [2] = 62.9 MB");
        pool.free(kept);
        assert!(pool.allocate(&device, 30 << 20, 0, label(3)).is_some());
    }

    #[test]
    fn a_graphs_memory_is_its_own_until_it_is_dropped() {
        let (device, mut pool) = (device(), Pool::default());
        let inside = pool.allocate(&device, 1000, 7, label(1)).expect("memory");
        pool.free(inside);
        let outside = pool.allocate(&device, 1000, 0, label(1)).expect("memory");
        assert_ne!(inside, outside);
        pool.free(outside);
        assert_eq!(pool.give_back(&device), SMALL_SEGMENT);
        pool.disown(7);
        assert_eq!(pool.allocate(&device, 1000, 0, label(1)), Some(inside));
    }
}
