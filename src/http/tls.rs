//! TLS that trusts what Node trusts: bundled Mozilla roots, the system's store if it has one, and
//! `NODE_EXTRA_CA_CERTS`.
//!
//! The trust store is read at the first handshake, not when a client is built: a process that only uses
//! plain HTTP, or only mints with known claims, never pays for it.

use std::error::Error as StdError;
use std::sync::Arc;

use once_cell::sync::OnceCell;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, ErrorCode, Result};

/// The configuration that all clients share: the trust store, which takes milliseconds to read, and the sessions.
static CONFIG: OnceCell<ClientConfig> = OnceCell::new();

/// The TLS configuration of every client, without ALPN.
pub(super) fn config() -> Result<ClientConfig> {
    CONFIG.get_or_try_init(make).cloned()
}

fn make() -> Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier { provider: provider.clone(), trust_store: OnceCell::new() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorCode::Tls, "TLS could not be set up").with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// The certificates that a server's certificate is checked against.
#[derive(Debug)]
struct TrustStore {
    inner: Arc<WebPkiServerVerifier>,
    /// The certificates of `NODE_EXTRA_CA_CERTS`, byte for byte.
    extra: Vec<CertificateDer<'static>>,
}

/// The standard verification over a trust store that is read at the first handshake.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trust_store: OnceCell<TrustStore>,
}

impl Verifier {
    fn trust_store(&self) -> Result<&TrustStore, rustls::Error> {
        self.trust_store.get_or_try_init(|| {
            let extra = std::env::var_os("NODE_EXTRA_CA_CERTS").map(|path| read_pem(&path)).unwrap_or_default();
            TrustStore::new(extra, self.provider.clone())
        })
    }
}

impl TrustStore {
    fn new(extra: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // Certificates that cannot be read are left out, as Node does: the others still serve.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(extra.iter().cloned());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { inner, extra })
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // A self-signed server certificate in the file of `NODE_EXTRA_CA_CERTS`: Node accepts it, rustls
            // by itself does not. Exactly that certificate is accepted, for its own name; its validity was
            // checked before this error.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why)))
                if is_ca_used_as_end_entity(&why) && self.extra.iter().any(|known| known == end_entity) =>
            {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }
}

fn is_ca_used_as_end_entity(why: &rustls::OtherError) -> bool {
    // The variant lives in a crate that rustls does not re-export; its Debug form is its name.
    format!("{why:?}").contains("CaUsedAsEndEntity")
}

/// Whether certificates are not checked: Node's own variable, read for each connection as Node does.
/// JavaScript warns of it (`js/config/client.js`).
fn is_unchecked() -> bool {
    std::env::var_os("NODE_TLS_REJECT_UNAUTHORIZED").is_some_and(|value| value == "0")
}

/// The error of a connection that failed because of the server's certificate, with its fix; `None`
/// where that was not the reason.
pub(super) fn certificate_error(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    let why = loop {
        let error = next?;
        // An I/O error does not name the error inside it as its source.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref()) {
            Some(rustls::Error::InvalidCertificate(why)) => break why,
            Some(_) | None => next = inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source()),
        }
    };
    Some(Error::new(
        ErrorCode::Certificate,
        certificate_message(why, &extra_certs_note(std::env::var_os("NODE_EXTRA_CA_CERTS"))),
    ))
}

fn certificate_message(why: &CertificateError, extra: &str) -> String {
    let (what, fix) = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired", "the server needs a new one; a clock that is wrong says the same")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet", "is this machine's clock right?")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("is another host's", "is the base URL right? The certificate has to name its host")
        }
        _ => ("is signed by nobody this process knows", "a server or a proxy of one's own needs its authority's file"),
    };
    format!(
        "Connection error: the server's certificate {what}: {fix}. NODE_EXTRA_CA_CERTS names a file (PEM) of certificates to trust besides the known ones{extra}."
    )
}

/// A note on the value of `NODE_EXTRA_CA_CERTS`, for the end of a message.
fn extra_certs_note(value: Option<std::ffi::OsString>) -> String {
    match value.filter(|path| !path.is_empty()) {
        None => "; it is not set".to_owned(),
        Some(path) if read_pem(&path).is_empty() => {
            format!("; the one it names now, {}, cannot be read or holds none", path.display())
        }
        Some(_) => String::new(),
    }
}

fn read_pem(path: &std::ffi::OsStr) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).map(|certs| certs.filter_map(Result::ok).collect()).unwrap_or_default()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if is_unchecked() {
            return Ok(ServerCertVerified::assertion());
        }
        self.trust_store()?.verify(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    fn params(name: &str, is_ca: IsCa) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.is_ca = is_ca;
        params
    }

    fn self_signed(params: CertificateParams) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().clone()
    }

    fn check(trusted: &[CertificateDer<'static>], shown: &CertificateDer<'_>, name: &str) -> Result<(), rustls::Error> {
        let store = TrustStore::new(trusted.to_vec(), Arc::new(aws_lc_rs::default_provider()))?;
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        store.verify(shown, &[], &name, &[], UnixTime::now()).map(drop)
    }

    #[test]
    fn a_self_signed_server_certificate_that_is_listed_is_taken_for_its_own_name_alone() {
        let ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let listed = self_signed(params("trigger.local", ca));
        let other = self_signed(params("trigger.local", ca));
        assert_eq!(check(std::slice::from_ref(&listed), &listed, "trigger.local"), Ok(()));
        assert!(check(std::slice::from_ref(&listed), &listed, "other.local").is_err(), "its own name only");
        assert!(check(&[listed], &other, "trigger.local").is_err(), "exactly that certificate");
        assert!(check(&[], &other, "trigger.local").is_err(), "nothing by default");
    }

    #[test]
    fn an_expired_certificate_is_refused_although_it_is_listed() {
        let mut expired = params("trigger.local", IsCa::Ca(BasicConstraints::Unconstrained));
        expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let expired = self_signed(expired);
        assert!(check(std::slice::from_ref(&expired), &expired, "trigger.local").is_err());
    }

    #[test]
    fn a_certificate_of_a_listed_authority_is_taken() {
        let key = KeyPair::generate().expect("a key");
        let authority = params("ca.local", IsCa::Ca(BasicConstraints::Unconstrained));
        let root = authority.self_signed(&key).expect("signed").der().clone();
        let server_key = KeyPair::generate().expect("a key");
        let server = params("trigger.local", IsCa::NoCa)
            .signed_by(&server_key, &Issuer::new(authority, key))
            .expect("signed")
            .der()
            .clone();
        assert_eq!(check(std::slice::from_ref(&root), &server, "trigger.local"), Ok(()));
        assert!(check(&[], &server, "trigger.local").is_err());
    }

    #[test]
    fn a_certificate_that_is_not_trusted_comes_with_what_mends_it() {
        let message = |why: CertificateError| certificate_message(&why, "");
        for (why, said) in [
            (CertificateError::Expired, "has expired: the server needs a new one"),
            (CertificateError::NotValidYet, "is not valid yet: is this machine's clock right?"),
            (CertificateError::NotValidForName, "is another host's: is the base URL right?"),
            (CertificateError::UnknownIssuer, "is signed by nobody this process knows"),
        ] {
            assert!(message(why).contains(said), "{said}");
        }
    }

    #[test]
    fn a_file_of_certificates_that_is_not_set_or_has_none_is_named() {
        let listed = self_signed(params("trigger.local", IsCa::NoCa));
        let folder = std::env::temp_dir();
        let file = |name: &str| folder.join(format!("trigger-native-{}-{name}.pem", std::process::id()));
        let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &listed);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        std::fs::write(file("one"), pem).expect("written");
        std::fs::write(file("none"), "no certificate").expect("written");
        let note = |name: &str| extra_certs_note(Some(file(name).into_os_string()));
        let (one, none, missing) = (note("one"), note("none"), note("missing"));
        std::fs::remove_file(file("one")).expect("removed");
        std::fs::remove_file(file("none")).expect("removed");
        assert_eq!(one, "");
        for said in [none, missing] {
            assert!(said.contains("cannot be read or holds none"), "{said}");
        }
        for value in [None, Some("".into())] {
            assert_eq!(extra_certs_note(value), "; it is not set");
        }
    }
}
