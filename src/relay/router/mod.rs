//! Routing: turns a path and a query into a typed request. The upstream URL is written anew from the parsed values.

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
