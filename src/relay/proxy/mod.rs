//! Passing through: what the relay does not answer itself goes to the server, written anew and with the viewer's own
//! token (A11, A12, A14, A16, A19).

mod passing;
mod requests;

pub(super) use passing::Proxy;
