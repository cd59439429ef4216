//! What must hold for any bytes of a stranger: one function a fuzz target. Each panics where a property does not hold.
//!
//! The functions are compiled into the core where cargo-fuzz builds it (it sets the cfg `fuzzing`), since most of the
//! readers that they try are private, and for the tests, which try them on the corpus of `fuzz/seeds` and on every input
//! that failed once (`fuzz/found`). No build that is published has them.

#![allow(clippy::missing_panics_doc, reason = "each function panics where its property does not hold")]

mod emulator;
mod input;
mod paths;
mod relay;
mod responses;
mod shape;
mod sse;
mod streams;
mod tokens;
mod values;
mod wants;

pub use emulator::emulator;
pub use paths::paths;
pub use relay::relay;
pub use responses::responses;
pub use shape::shape;
pub use sse::sse;
pub use streams::streams;
pub use tokens::tokens;
pub use values::values;
pub use wants::wants;

#[cfg(test)]
mod tests;
