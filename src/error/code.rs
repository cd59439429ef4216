//! The stable codes of errors. Each stands once: here with its kind, in `js/errors/codes.js` with its class and its
//! fix, in `types/error.d.ts` as a type. `docs/errors.md` is written from the registry in JavaScript.

use std::fmt;

use super::kind::Kind;

/// Declares the enum and its tables from one row a code: what it means, its variant, its text, its usual kind.
macro_rules! codes {
    ($($(#[doc = $what:literal])+ $variant:ident => $text:literal, $kind:ident;)+) => {
        /// The stable code of an error, `ERR_…`. A user compares this, never the message.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[doc = $what])+ $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as users see it: `ERR_…`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The kind of an error of this code. Two codes are of two kinds, and stand here with the usual one:
            /// [`crate::Error::of_kind`] makes the other.
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)+
                }
            }
        }
    };
}

codes! {
    /// 400.
    BadRequest => "ERR_BAD_REQUEST", Api;
    /// 401.
    Authentication => "ERR_AUTHENTICATION", Api;
    /// 403.
    PermissionDenied => "ERR_PERMISSION_DENIED", Api;
    /// 404.
    NotFound => "ERR_NOT_FOUND", Api;
    /// 409.
    Conflict => "ERR_CONFLICT", Api;
    /// 422.
    UnprocessableEntity => "ERR_UNPROCESSABLE_ENTITY", Api;
    /// 429.
    RateLimit => "ERR_RATE_LIMIT", Api;
    /// 500 and above.
    Server => "ERR_SERVER", Api;
    /// Any other status of an error.
    Api => "ERR_API", Api;

    /// Name resolution, connection, TLS, a reset.
    Connection => "ERR_CONNECTION", Connection;
    /// The server's certificate is refused.
    Certificate => "ERR_CERTIFICATE", Connection;
    /// A stream breaks off again and again.
    Dropped => "ERR_DROPPED", Connection;
    /// The body of a relayed answer breaks off.
    BodyBrokeOff => "ERR_BODY_BROKE_OFF", Connection;

    /// A deadline of a call or an attempt passed.
    Timeout => "ERR_TIMEOUT", Timeout;
    /// Nothing came on a feed or stream for longer than its silence timeout.
    Silent => "ERR_SILENT", Timeout;

    /// An answer is not the protocol.
    Protocol => "ERR_PROTOCOL", Protocol;
    /// An event of a stream is larger than its bound.
    TooLarge => "ERR_TOO_LARGE", Protocol;
    /// The server says that it cannot read a stream.
    Stream => "ERR_STREAM", Protocol;
    /// Answer after answer without any progress (defect 7).
    NoProgress => "ERR_NO_PROGRESS", NoProgress;

    /// The base URL is none.
    InvalidBaseUrl => "ERR_INVALID_BASE_URL", Config;
    /// No key.
    MissingAccessToken => "ERR_MISSING_ACCESS_TOKEN", Config;
    /// The given text cannot be a key, or is a key of another kind than the call needs.
    InvalidAccessToken => "ERR_INVALID_ACCESS_TOKEN", Config;
    /// The preview branch holds what no header can carry.
    InvalidBranch => "ERR_INVALID_BRANCH", Config;
    /// A header's name or value is none. Of kind `Argument` where it is the content type of an upload.
    InvalidHeader => "ERR_INVALID_HEADER", Config;
    /// `requestOptions` cannot be read.
    InvalidRequestOptions => "ERR_INVALID_REQUEST_OPTIONS", Config;
    /// A request cannot be built. Of kind `Argument` where it is one that a relay was handed.
    InvalidRequest => "ERR_INVALID_REQUEST", Config;
    /// A proxy variable names no proxy.
    InvalidProxy => "ERR_INVALID_PROXY", Config;
    /// The variable with the number of threads holds no number.
    InvalidThreads => "ERR_INVALID_THREADS", Config;
    /// The HTTP client cannot be built.
    HttpClient => "ERR_HTTP_CLIENT", Config;
    /// The key cannot sign tokens.
    CannotSign => "ERR_CANNOT_SIGN", Config;
    /// The server is too old to mint tokens for this kind of key.
    ServerTooOld => "ERR_SERVER_TOO_OLD", Config;
    /// The relay's port cannot be listened on.
    RelayPort => "ERR_RELAY_PORT", Config;
    /// The emulator's port cannot be listened on.
    EmulatorPort => "ERR_EMULATOR_PORT", Config;
    /// The emulator was stopped.
    EmulatorStopped => "ERR_EMULATOR_STOPPED", Config;

    /// An option is unknown or wrong.
    InvalidOptions => "ERR_INVALID_OPTIONS", Argument;
    /// An id cannot be a path segment (defect 8).
    InvalidId => "ERR_INVALID_ID", Argument;
    /// No token can end so.
    InvalidExpiration => "ERR_INVALID_EXPIRATION", Argument;
    /// The server mints no token without scopes.
    ScopesRequired => "ERR_SCOPES_REQUIRED", Argument;
    /// A script of the emulator cannot be one.
    InvalidScript => "ERR_INVALID_SCRIPT", Argument;
    /// The emulator's clock cannot be moved so.
    Clock => "ERR_CLOCK", Argument;

    /// A row is no run.
    InvalidRow => "ERR_INVALID_ROW", Decode;
    /// The caller aborted.
    Aborted => "ERR_ABORTED", Aborted;

    /// A fault of this package.
    Internal => "ERR_INTERNAL", Internal;
    /// The operating system gave no threads.
    Runtime => "ERR_RUNTIME", Internal;
    /// TLS cannot be set up.
    Tls => "ERR_TLS", Internal;
}

impl ErrorCode {
    /// The code of a server's error status.
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            400 => Self::BadRequest,
            401 => Self::Authentication,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            409 => Self::Conflict,
            422 => Self::UnprocessableEntity,
            429 => Self::RateLimit,
            500.. => Self::Server,
            _ => Self::Api,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As users see it: a variant's name says nothing more.
impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The sources without this file and without tests: what of them throws.
    fn sources(folder: &Path, all: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_stem().and_then(|name| name.to_str()).expect("a name");
            if entry.is_dir() {
                sources(&entry, all);
            } else if entry.extension().is_some_and(|kind| kind == "rs")
                && !name.contains("test")
                && !entry.ends_with("error/code.rs")
            {
                let text = fs::read_to_string(&entry).expect("a source");
                all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
            }
        }
    }

    /// `ERR_INVALID_ID` of `InvalidId`.
    fn code_of(variant: &str) -> String {
        let mut code = "ERR".to_owned();
        for letter in variant.chars() {
            if letter.is_ascii_uppercase() {
                code.push('_');
            }
            code.push(letter.to_ascii_uppercase());
        }
        code
    }

    #[test]
    fn every_code_is_given_to_an_error_and_no_error_has_another() {
        let mut text = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
        let mut given: HashSet<String> = (400..600).map(|status| ErrorCode::of_status(status).to_string()).collect();
        for rest in text.split("ErrorCode::").skip(1) {
            given.extend(rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next().map(code_of));
        }
        for code in ErrorCode::ALL {
            assert!(given.contains(code.as_str()), "{code} is given to no error");
        }
        assert!(!text.contains("\"ERR_"), "a code that is a text");
    }

    #[test]
    fn no_two_codes_are_the_same() {
        let texts: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
    }
}
