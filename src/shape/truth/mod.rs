//! A model of a server and of a reader, for randomised tests of the rows that a reader is given. Every choice is drawn
//! from a seed, so that a failure can be played again.

mod follower;
mod message;
mod rng;
mod table;
mod tests;
mod world;

pub(crate) use follower::Follower;
pub(crate) use message::{MUST_REFETCH, UP_TO_DATE, add_noise, message};
pub(crate) use rng::{SeededRng, fuzz};
pub(crate) use table::{COLUMNS, Cells, Changed, FINISHED, Habits, TAGS, TYPE, Table};
pub(crate) use world::World;
