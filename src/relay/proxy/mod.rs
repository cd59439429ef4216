//! The proxy: sends requests that the relay does not answer itself to the server, written anew and with the viewer's
//! own token (A11, A12, A14, A16, A19).

mod passing;
mod requests;
#[cfg(test)]
mod tests;

pub(super) use passing::Proxy;
