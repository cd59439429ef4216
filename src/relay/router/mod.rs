//! Routing: turns a path and a query into a typed request. The upstream URL is written anew from the parsed values.

mod family;
mod mount;
mod query;
mod route;
#[cfg(test)]
mod route_tests;
mod routing;
mod table;

pub(crate) use family::Family;
pub(crate) use route::{Route, Target, join};
pub(crate) use routing::{Routed, Router};
