//! Keyed digests of tokens and of viewer names. The key is drawn per process, so a digest in memory reveals no token.

use aws_lc_rs::hmac;

use crate::random;

/// A token, or a viewer as the app names it: equal for equal texts, and of no use outside of this process.
pub(crate) type Digest = [u8; 32];

/// The key of the digests. Clones make equal digests.
#[derive(Clone, Debug)]
pub(crate) struct Digester(hmac::Key);

impl Digester {
    /// Draws a key.
    pub(crate) fn new() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>()))
    }

    /// The digest of a token.
    pub(crate) fn token(&self, token: &str) -> Digest {
        self.mac(&[token])
    }

    /// The digest of a viewer that `authorize` named; never the digest of a token.
    pub(crate) fn viewer(&self, id: &str) -> Digest {
        self.mac(&["viewer", id])
    }

    /// The digest of several texts. Each is preceded by its length, so `["ab", "c"]` and `["a", "bc"]` differ.
    pub(crate) fn mac(&self, parts: &[&str]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_this_process_and_of_each_part() {
        let (one, other) = (Digester::new(), Digester::new());
        assert_eq!(one.token("a"), one.token("a"));
        assert_ne!(one.token("a"), other.token("a"));
        assert_ne!(one.mac(&["ab", "c"]), one.mac(&["a", "bc"]));
    }

    #[test]
    fn a_name_that_the_app_gives_is_no_token() {
        let digester = Digester::new();
        assert_eq!(digester.viewer("a"), digester.viewer("a"));
        assert_ne!(digester.viewer("a"), digester.viewer("b"));
        assert_ne!(digester.viewer("a"), digester.token("a"));
    }
}
