//! What every target shares: an execution stays within a bound of memory that follows from the size of its input.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

static LIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, with the bytes that are allocated now, and the most there ever were.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(change: isize) {
    PEAK.fetch_max(LIVE.fetch_add(change, Ordering::Relaxed) + change, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Tries `property` on `data`.
///
/// # Panics
/// Where it does not hold, or took more than `base` bytes at once and `factor` more for each byte of the input.
pub fn bounded(data: &[u8], base: usize, factor: usize, property: fn(&[u8])) {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    property(data);
    let taken = usize::try_from(PEAK.load(Ordering::Relaxed) - before).unwrap_or_default();
    let bound = base + factor * data.len();
    assert!(taken <= bound, "{} bytes of input took {taken} bytes of memory, of {bound}", data.len());
}

/// A target: the name of its property, and the bounds of its memory.
#[macro_export]
macro_rules! target {
    ($property:ident, $base:expr, $factor:expr) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            $crate::bounded(data, $base, $factor, trigger_native::fuzzing::$property);
        });
    };
}
