//! A model of a server and of a reader, for randomised tests of the rows that a reader is given. Every choice is drawn
//! from a seed, so that a failure can be played again.

mod follower;
mod rng;
mod tests;
mod world;

pub(crate) use follower::Follower;
pub(crate) use rng::{SeededRng, fuzz};
pub(crate) use world::{Cells, World};
