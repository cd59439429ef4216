//! The one error of the crate: what happened, in words a user can act on, and never a secret.
//!
//! A terminal failure of any call, feed or mint is an [`Error`]. Its [`ErrorCode`] is stable; its [`Kind`] says what
//! JavaScript class it becomes.

mod code;
mod kind;
mod value;

pub use code::ErrorCode;
pub use kind::Kind;
pub use value::{Error, ErrorAnswer, Result};
