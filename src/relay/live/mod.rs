//! One event stream for everything that a page follows (docs/relay-live.md): `POST {base}/relay/v1/live`.

mod answer;
#[cfg(test)]
mod edge_tests;
mod event;
mod fields;
mod following;
#[cfg(test)]
mod following_tests;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod handler;
mod opening;
#[cfg(test)]
mod page;
mod place;
mod ready_set;
mod shared;
mod step;
mod stream;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod truth_tests;
mod wants;

pub(super) use handler::{Live, Parts};
