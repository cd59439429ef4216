//! Decoding of rows as runs: public statuses, the end of a run, and JSON for JavaScript.

mod array;
mod number;
mod render;
mod status;

pub(crate) use array::elements;
pub use render::render;
pub use status::{is_finished, is_terminal, public_status};
