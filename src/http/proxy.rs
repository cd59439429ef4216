//! Proxies of the environment: `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` (or the system's settings on
//! macOS and Windows), but for the hosts in `NO_PROXY`, and not for loopback unless `NO_PROXY` says so.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use once_cell::sync::Lazy;
use reqwest::{ClientBuilder, Url};

use crate::error::{Error, ErrorCode, Result};

/// The entry of `NO_PROXY` that sends loopback through the proxy too, as in browsers.
const LOOPBACK_ENTRY: &str = "<-loopback>";

static PROXIES: Lazy<Proxies> = Lazy::new(|| Proxies::new(Matcher::from_system(), |name| std::env::var(name).ok()));

struct Proxies {
    matcher: Matcher,
    no_proxy: NoProxy,
    /// The variable for `http:` whose value is not a usable proxy.
    http: Option<&'static str>,
    /// The variable for `https:` whose value is not a usable proxy.
    https: Option<&'static str>,
}

impl Proxies {
    /// The proxies that `matcher` knows, checked against the environment's variables.
    fn new(matcher: Matcher, variable: impl Fn(&str) -> Option<String> + Copy) -> Self {
        Self {
            matcher,
            no_proxy: NoProxy::parse(&no_proxy(variable)),
            http: unusable(["HTTP_PROXY", "http_proxy"], variable),
            https: unusable(["HTTPS_PROXY", "https_proxy"], variable),
        }
    }

    fn proxy_of(&self, uri: &Uri) -> Option<Intercept> {
        if self.is_direct(uri) { None } else { self.matcher.intercept(uri) }
    }

    fn is_direct(&self, uri: &Uri) -> bool {
        let port = uri.port_u16().unwrap_or(if is_plain(uri) { 80 } else { 443 });
        uri.host().is_none_or(|host| self.no_proxy.covers(host, port))
    }

    fn is_proxied(&self, uri: &Uri) -> bool {
        self.proxy_of(uri).is_some() || self.refusal(uri).is_some()
    }

    fn refusal(&self, uri: &Uri) -> Option<Error> {
        let name = if is_plain(uri) { self.http } else { self.https }?;
        // The value is not shown: it can hold a password.
        let message = format!(
            "the environment variable {name} is no URL of an http(s) proxy: set it to something like http://proxy.internal:3128, without quotes and spaces, or name the server in NO_PROXY"
        );
        (!self.is_direct(uri)).then(|| Error::new(ErrorCode::InvalidProxy, message))
    }
}

/// The variable that applies, if its value is not a usable proxy: in quotes (an env file that no shell reads), with
/// spaces around it, or of another scheme.
fn unusable(names: [&'static str; 2], variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    // A CGI program gets `HTTP_PROXY` from a request's `Proxy` header, so that none of them is read there.
    if variable("REQUEST_METHOD").is_some() {
        return None;
    }
    let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, variable(name)?)));
    let is_set = |(_, value): &(&str, String)| !value.is_empty();
    let (name, value) = first(names).filter(is_set).or_else(|| first(["ALL_PROXY", "all_proxy"]).filter(is_set))?;
    let proxy = Matcher::builder().all(value).build().intercept(&Uri::from_static("http://any.example"));
    let fits = proxy.is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")));
    (!fits).then_some(name)
}

/// `NO_PROXY` in upper or lower case; an empty one counts as missing.
fn no_proxy(variable: impl Fn(&str) -> Option<String>) -> String {
    ["NO_PROXY", "no_proxy"].into_iter().filter_map(variable).find(|text| !text.trim().is_empty()).unwrap_or_default()
}

fn is_plain(uri: &Uri) -> bool {
    uri.scheme() == Some(&http::uri::Scheme::HTTP)
}

/// Whether requests to `uri` go through a proxy, or would if its variable were right.
pub(super) fn is_proxied(uri: &Uri) -> bool {
    PROXIES.is_proxied(uri)
}

/// Refuses a request whose proxy variable is not a usable proxy: it would otherwise bypass the proxy.
///
/// # Errors
/// `ERR_INVALID_PROXY`.
pub(super) fn check(url: &str) -> Result<()> {
    let Ok(uri) = url.parse() else { return Ok(()) };
    PROXIES.refusal(&uri).map_or(Ok(()), Err)
}

/// Has the client look up the proxy of each server here.
pub(super) fn apply(builder: ClientBuilder) -> ClientBuilder {
    builder.proxy(reqwest::Proxy::custom(|url| with_login(&PROXIES.proxy_of(&url.as_str().parse().ok()?)?)))
}

/// A proxy's URL with its user name and password.
fn with_login(proxy: &Intercept) -> Option<Url> {
    let mut url = Url::parse(&proxy.uri().to_string()).ok()?;
    let login = proxy.basic_auth().and_then(|header| {
        let login = STANDARD.decode(header.to_str().ok()?.strip_prefix("Basic ")?).ok()?;
        String::from_utf8(login).ok()
    });
    if let Some((name, password)) = login.as_deref().and_then(|login| login.split_once(':')) {
        url.set_username(name).ok()?;
        url.set_password(Some(password)).ok()?;
    }
    Some(url)
}

/// The hosts that are reached without a proxy.
#[derive(Debug, Default)]
struct NoProxy {
    rules: Vec<Rule>,
    proxies_loopback: bool,
}

/// An entry of `NO_PROXY`: the hosts, and the port if it names one.
#[derive(Debug)]
struct Rule {
    hosts: HostPattern,
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    /// A network: an address and how many of its bits count.
    Network(IpAddr, u32),
    /// A domain and all below it.
    Domain(String),
    /// Every host with this ending: `*.domain`.
    Ending(String),
    /// Every host with this beginning: `10.0.*`.
    Beginning(String),
}

impl NoProxy {
    /// Reads entries separated by commas or spaces.
    fn parse(list: &str) -> Self {
        let mut no_proxy = Self::default();
        for entry in list.split([',', ' ', '\t', '\n']).map(str::trim).filter(|entry| !entry.is_empty()) {
            if entry.eq_ignore_ascii_case(LOOPBACK_ENTRY) {
                no_proxy.proxies_loopback = true;
            } else {
                no_proxy.rules.push(Rule::parse(entry));
            }
        }
        no_proxy
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if !self.proxies_loopback && is_loopback(&host, address) {
            return true;
        }
        let fits = |rule: &Rule| rule.port.is_none_or(|only| only == port) && rule.hosts.covers(&host, address);
        self.rules.iter().any(fits)
    }
}

impl Rule {
    fn parse(entry: &str) -> Self {
        let lower = entry.to_ascii_lowercase();
        // An IPv6 address has colons of its own: its port follows a bracket.
        let (name, port) = match lower.rsplit_once(':') {
            Some((name, port)) if name.ends_with(']') || !name.contains(':') => match port.parse() {
                Ok(port) => (name, Some(port)),
                Err(_) => (lower.as_str(), None),
            },
            Some(_) | None => (lower.as_str(), None),
        };
        Self { hosts: HostPattern::parse(name.trim_start_matches('[').trim_end_matches(']')), port }
    }
}

impl HostPattern {
    fn parse(text: &str) -> Self {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        if let Ok(address) = address.parse::<IpAddr>() {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            match bits.map(str::parse) {
                None => return Self::Network(address.to_canonical(), whole),
                Some(Ok(bits)) if bits <= whole => return Self::Network(address, bits),
                Some(Ok(_) | Err(_)) => {}
            }
        }
        match (text, text.strip_prefix('*'), text.strip_suffix('*')) {
            ("*", _, _) => Self::Any,
            (_, Some(ending), _) => Self::Ending(ending.to_owned()),
            (_, None, Some(beginning)) => Self::Beginning(beginning.to_owned()),
            (domain, None, None) => Self::Domain(domain.trim_matches('.').to_owned()),
        }
    }

    /// `host` is in lower case, without brackets and a trailing dot; `address` is its parsed form if it is one.
    fn covers(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::Any => true,
            Self::Network(network, bits) => address.is_some_and(|address| is_within(address, *network, *bits)),
            Self::Domain(domain) => {
                host.strip_suffix(domain.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            Self::Ending(ending) => host.ends_with(ending.as_str()),
            Self::Beginning(beginning) => host.starts_with(beginning.as_str()),
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let differ = match (address, network) {
        // From the left.
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    differ >= bits
}

/// Whether a host is this machine.
fn is_loopback(host: &str, address: Option<IpAddr>) -> bool {
    match address {
        Some(address) => address.is_loopback() || address.is_unspecified(),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_read_as_people_write_it() {
        for (list, direct, proxied) in [
            ("*", &["10.1.2.3:443", "[2001:db8::1]:443", "api.trigger.dev:443"][..], &[][..]),
            ("10.0.0.5:8080", &["10.0.0.5:8080"], &["10.0.0.5:443", "10.0.0.6:8080"]),
            ("trigger.internal:3030", &["trigger.internal:3030", "a.trigger.internal:3030"], &["trigger.internal:80"]),
            ("[2001:db8::1]:3030 2001:db8::2", &["[2001:db8::1]:3030", "[2001:db8::2]:1"], &["[2001:db8::1]:80"]),
            (
                "*.corp.example",
                &["a.corp.example:443", "A.B.Corp.Example.:443"],
                &["corp.example:443", "acorp.example:1"],
            ),
            (".corp.example", &["a.corp.example:443", "corp.example:443"], &["acorp.example:443"]),
            ("a.example, corp.example", &["x.corp.example:443", "corp.example:443"], &["notcorp.example:443"]),
            (
                "10.0.0.0/8,fd00::/8",
                &["10.9.9.9:1", "[fd12::1]:1", "[::ffff:10.1.1.1]:1"],
                &["11.0.0.1:1", "[fe00::1]:1"],
            ),
            ("192.168.*", &["192.168.3.4:80"], &["192.169.3.4:80"]),
            ("0.0.0.0/0", &["8.8.8.8:53"], &["[2001:db8::1]:53", "a.example:80"]),
            ("10.0.0.0/99, :80, a.example:x", &[], &["10.0.0.0:80", "a.example:80"]),
            (
                "",
                &["localhost:1", "app.localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "0.0.0.0:1"],
                &["10.0.0.1:1"],
            ),
            ("<-loopback>, 127.0.0.2", &["127.0.0.2:1"], &["localhost:1", "127.0.0.1:1", "[::1]:1"]),
        ] {
            let rules = NoProxy::parse(list);
            let is_direct = |authority: &str| {
                let (host, port) = authority.rsplit_once(':').expect("a port");
                rules.covers(host, port.parse().expect("a port"))
            };
            for authority in direct {
                assert!(is_direct(authority), "{authority} goes through the proxy in spite of {list:?}");
            }
            for authority in proxied {
                assert!(!is_direct(authority), "{authority} does not go through the proxy for {list:?}");
            }
        }
    }

    #[test]
    fn a_variable_that_names_no_proxy_is_told_from_one_that_does() {
        let told = |set: &[(&str, &str)]| {
            let variable =
                |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            unusable(["HTTPS_PROXY", "https_proxy"], variable)
        };
        for value in ["http://p:1", "p:1", "p", "https://me:word@p", "http://[::1]:1"] {
            assert_eq!(told(&[("HTTPS_PROXY", value)]), None, "{value}");
        }
        for value in
            ["\"http://p:1\"", "'http://p:1'", " http://p:1", "http://", "ftp://p", "socks5://p", "http://[::1"]
        {
            assert_eq!(told(&[("https_proxy", value)]), Some("https_proxy"), "{value}");
        }
        assert_eq!(told(&[("HTTPS_PROXY", ""), ("ALL_PROXY", "%%")]), Some("ALL_PROXY"));
        assert_eq!(told(&[("HTTPS_PROXY", "p"), ("ALL_PROXY", "%%")]), None);
        assert_eq!(told(&[("HTTP_PROXY", "%%")]), None, "of another scheme");
        assert_eq!(told(&[("HTTPS_PROXY", "%%"), ("REQUEST_METHOD", "GET")]), None);
        assert_eq!(told(&[]), None);
    }

    fn proxies(set: &[(&str, &str)]) -> Proxies {
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let matcher = Matcher::builder()
            .http(variable("HTTP_PROXY").unwrap_or_default())
            .https(variable("HTTPS_PROXY").unwrap_or_default());
        Proxies::new(matcher.build(), variable)
    }

    #[test]
    fn each_scheme_has_a_proxy_of_its_own_and_a_server_that_no_proxy_names_is_asked_directly() {
        let both = [("HTTP_PROXY", "http://plain.example:1"), ("HTTPS_PROXY", "http://secure.example:2")];
        let through = |more: &[(&str, &str)], url: &'static str| {
            let proxies = proxies(&[&both[..], more].concat());
            let proxy = proxies.proxy_of(&Uri::from_static(url));
            assert_eq!(proxies.is_proxied(&Uri::from_static(url)), proxy.is_some(), "{url}");
            proxy.and_then(|proxy| proxy.uri().host().map(str::to_owned))
        };
        assert_eq!(through(&[], "http://a.example").as_deref(), Some("plain.example"));
        assert_eq!(through(&[], "https://a.example").as_deref(), Some("secure.example"));
        assert_eq!(through(&[], "https://127.0.0.1:3030"), None);
        for (list, direct, proxied) in [
            ("a.example", "https://a.example", "https://b.example"),
            ("a.example:443", "https://a.example", "http://a.example"),
            ("a.example:80", "http://a.example", "https://a.example"),
            ("a.example:8080", "https://a.example:8080", "https://a.example"),
        ] {
            for name in ["NO_PROXY", "no_proxy"] {
                assert_eq!(through(&[(name, list)], direct), None, "{list}");
                assert!(through(&[(name, list)], proxied).is_some(), "{list}");
            }
        }
        assert_eq!(through(&[("NO_PROXY", " "), ("no_proxy", "a.example")], "https://a.example"), None);
        assert!(through(&[("NO_PROXY", "b.example"), ("no_proxy", "a.example")], "https://a.example").is_some());
    }

    #[test]
    fn a_variable_that_names_no_proxy_refuses_its_scheme_alone_and_not_what_no_proxy_names() {
        let proxies = proxies(&[("HTTPS_PROXY", "'http://p:word@x'"), ("NO_PROXY", "b.example")]);
        let refused = |url: &'static str| {
            let refusal = proxies.refusal(&Uri::from_static(url));
            assert_eq!(proxies.is_proxied(&Uri::from_static(url)), refusal.is_some(), "{url} would go past the proxy");
            refusal.map(|error| (error.code(), error.message().to_owned()))
        };
        let (code, message) = refused("https://a.example").expect("refused");
        assert!(code == ErrorCode::InvalidProxy && message.contains("HTTPS_PROXY") && !message.contains("word"));
        for url in ["http://a.example", "https://b.example", "https://localhost:1"] {
            assert_eq!(refused(url), None, "{url}");
        }
    }

    /// In a process of its own, whose environment names proxies.
    #[test]
    fn the_proxies_of_the_environment_are_those_of_every_request() {
        const CHILD: &str = "TEST_PROXIES_OF_THE_ENVIRONMENT";
        if std::env::var_os(CHILD).is_some() {
            for (url, proxied, accepted) in [
                ("http://a.example", true, true),
                ("https://a.example", true, false),
                ("http://b.example", false, true),
                ("https://b.example", false, true),
            ] {
                assert_eq!(is_proxied(&Uri::from_static(url)), proxied, "{url}");
                assert_eq!(check(url).is_ok(), accepted, "{url}");
            }
            return;
        }
        let mut child = std::process::Command::new(std::env::current_exe().expect("this program"));
        for name in ["http_proxy", "https_proxy", "ALL_PROXY", "all_proxy", "no_proxy", "REQUEST_METHOD"] {
            child.env_remove(name);
        }
        child.args(["--exact", "http::proxy::tests::the_proxies_of_the_environment_are_those_of_every_request"]);
        child.envs([("HTTP_PROXY", "http://p.example:1"), ("HTTPS_PROXY", "'http://p.example:1'")]);
        let output = child.envs([("NO_PROXY", "b.example"), (CHILD, "1")]).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn the_login_of_a_proxy_goes_along() {
        let proxy = Matcher::builder().all("http://me:p%40ss%3Aword@proxy.example:8080").build();
        let proxy = proxy.intercept(&Uri::from_static("https://api.trigger.dev")).expect("a proxy");
        let url = with_login(&proxy).expect("a URL");
        assert_eq!((url.host_str(), url.port()), (Some("proxy.example"), Some(8080)));
        let again = Matcher::builder().all(url.to_string()).build();
        let again = again.intercept(&Uri::from_static("https://api.trigger.dev")).expect("a proxy");
        assert_eq!(again.basic_auth(), proxy.basic_auth());
    }
}
