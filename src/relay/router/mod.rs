//! From a path and a query to a typed request, written anew from what was parsed.

mod family;
mod mount;
mod query;
mod route;
#[cfg(test)]
mod route_tests;
mod routing;
mod table;

pub(super) use family::Family;
pub(super) use route::{Route, Target};
pub(super) use routing::{Routed, Router};
