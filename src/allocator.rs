//! The allocator of an addon that `npm run relay-repeats -- --allocator mimalloc` builds; no release has it.

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
