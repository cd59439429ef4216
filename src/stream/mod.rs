//! One realtime stream of a run, read over server-sent events (docs/server-protocol.md 5).
//!
//! [`Machine`] is pure: time, randomness and bytes are arguments. The driver carries out its steps and fills a bounded
//! queue, which slows the wire while its [`Reader`] does not read (defect 9). The invariants are numbered in
//! `docs/streams.md`.

mod body;
mod chunk;
mod cursor;
mod driver;
mod limits;
mod machine;
mod pace;
mod plan;
mod position;
mod queue;
mod raw;
mod reader;
mod replay;
mod retry_budget;
mod seen_ids;
mod step;
mod v1;
mod v2;
mod values;

pub use chunk::Chunk;
pub use limits::Limits;
pub use machine::Machine;
pub use plan::{Plan, Request, Start, StreamSpec};
pub use position::Position;
pub use queue::{Batch, End, ReaderOptions, Stats, Status};
pub(crate) use raw::Raw;
pub use reader::Reader;
pub(crate) use replay::Replay;
pub use step::{Ending, Event, Failure, Outcome, Step};
pub(crate) use values::Values;
