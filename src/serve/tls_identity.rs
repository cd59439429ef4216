//! The certificate and key that a listener shows to clients of TLS.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error as TlsError, ServerConfig};

use crate::error::{Error, ErrorCode, Result};

/// The protocols that are offered, the first one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate with its key. Cheap to clone.
#[derive(Clone)]
pub struct TlsIdentity(Arc<ServerConfig>);

impl TlsIdentity {
    /// Reads a certificate, with those that lead to its authority after it, and its key, both as PEM.
    ///
    /// # Errors
    /// `ERR_INVALID_OPTIONS` that says what is wrong with which of the two. No error has a part of either in it.
    pub fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self> {
        let chain = certificates(cert)?;
        let key = private_key(key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| refused("TLS could not be set up"))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| mismatch(&error))?;
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        Ok(Self(Arc::new(config)))
    }

    /// The configuration of every handshake.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.clone()
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let damaged = "tls.cert cannot be read: a block of its PEM is damaged";
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<std::result::Result<_, _>>().map_err(|_| refused(damaged))?;
    if !all.is_empty() {
        return Ok(all);
    }
    Err(refused(if contains(pem, b"PRIVATE KEY-----") {
        "tls.cert has a private key in it and no certificate: are cert and key exchanged?"
    } else {
        "tls.cert has no certificate in it: it must be PEM, which begins with -----BEGIN CERTIFICATE-----, and not the path of a file"
    }))
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>> {
    // Both forms: of PKCS#8, and the older one, which says so in a line after the first.
    if contains(pem, b"ENCRYPTED") {
        return Err(refused(
            "tls.key is encrypted: give it without its passphrase, as `openssl pkey -in key.pem -out plain.pem` writes it",
        ));
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        refused(if contains(pem, b"BEGIN CERTIFICATE") {
            "tls.key has a certificate in it and no private key: are cert and key exchanged?"
        } else {
            "tls.key has no private key in it: it must be PEM, which begins with -----BEGIN PRIVATE KEY-----, and not the path of a file"
        })
    })
}

/// Why the certificate and the key cannot be used together.
fn mismatch(error: &TlsError) -> Error {
    refused(match error {
        TlsError::InconsistentKeys(_) => {
            "tls.key is not the key of the first certificate of tls.cert: the server's own certificate comes first, those of its authorities after it"
        }
        TlsError::InvalidCertificate(_) => "tls.cert cannot be read: its first certificate is damaged",
        _ => "tls.key cannot be used: it must be a key of RSA, ECDSA (P-256, P-384, P-521) or Ed25519",
    })
}

fn refused(what: &str) -> Error {
    Error::new(ErrorCode::InvalidOptions, format!("listen(): {what}"))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name").self_signed(&key);
        (cert.expect("signed").pem(), key.serialize_pem())
    }

    fn why(cert: &str, key: &str) -> String {
        let error = TlsIdentity::from_pem(cert.as_bytes(), key.as_bytes()).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidOptions);
        for said in [error.to_string(), format!("{error:?}")] {
            for line in cert.lines().chain(key.lines()).filter(|line| line.len() > 20 && !line.starts_with("-----")) {
                assert!(!said.contains(line), "{said}");
            }
        }
        error.to_string()
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_and_shown_to_nobody() {
        let ((cert, key), (authority, _)) = (pair(), pair());
        let identity = TlsIdentity::from_pem(format!("{cert}{authority}").as_bytes(), key.as_bytes()).expect("taken");
        assert_eq!(format!("{identity:?}"), "TlsIdentity { .. }");
        assert_eq!(identity.config().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn what_is_wrong_with_a_certificate_or_key_is_said_and_no_part_of_either() {
        let ((cert, key), (other, _)) = (pair(), pair());
        let body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
        for (cert, key, said) in [
            ("", &*key, "tls.cert has no certificate in it"),
            ("/etc/cert.pem", &key, "not the path of a file"),
            (&key, &key, "tls.cert has a private key in it"),
            (&cert, "", "tls.key has no private key in it"),
            (&cert, "key.pem", "not the path of a file"),
            (&cert, &cert, "tls.key has a certificate in it"),
            (&other, &key, "is not the key of the first certificate"),
            (&cert.replace("MII", "!!!"), &key, "tls.cert cannot be read"),
            (
                &cert,
                &format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----\n"),
                "tls.key is encrypted",
            ),
            (
                &cert,
                &format!(
                    "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{body}\n-----END EC PRIVATE KEY-----\n"
                ),
                "openssl pkey",
            ),
            (
                &cert,
                &format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
                "tls.key cannot be used",
            ),
            (
                &format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"),
                &key,
                "its first certificate is damaged",
            ),
        ] {
            assert!(why(cert, key).contains(said), "{said}: {}", why(cert, key));
        }
    }
}
