//! Tells the browser that a request is of, by its peer and headers. Pure.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName};

use crate::serve::PlainPeer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the requests of one browser have in common. Two browsers may have it in common, too: then their polls are
/// counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// The address of the peer, where it is known: the browser's, or that of a proxy.
    peer: Option<IpAddr>,
    /// The browser's address, where a proxy names it.
    forwarded: Option<String>,
    user_agent: String,
}

impl Identity {
    /// The browser of a request; `None` for other clients, and for a browser that is not known to be short of
    /// connections: it came over HTTP/2 or TLS, or over a proxy with TLS. `Sec-Fetch-Mode`, which no other client
    /// sends, is no sign: browsers leave it out towards an `http:` origin that is not on the same machine.
    pub(crate) fn of(headers: &HeaderMap, peer: Option<PlainPeer>) -> Option<Self> {
        let PlainPeer(peer) = peer?;
        // All browsers begin with this, and no HTTP client does by itself.
        let user_agent = text(headers, &header::USER_AGENT).filter(|name| name.starts_with("Mozilla/"))?;
        if is_secure(headers) {
            return None;
        }
        Some(Self {
            peer: peer.map(|peer| peer.to_canonical()),
            forwarded: address(headers),
            user_agent: user_agent.to_owned(),
        })
    }
}

/// Whether the page, or the proxy that the browser sees, is known to be at an `https:` origin.
fn is_secure(headers: &HeaderMap) -> bool {
    let is_https = |text: &str| text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    let proto = first(headers, &X_FORWARDED_PROTO).or_else(|| forwarded(headers, "proto"));
    proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
        || [header::ORIGIN, header::REFERER].iter().any(|name| text(headers, name).is_some_and(is_https))
}

/// The address that the proxy nearest to the browser saw, without its port, which is another one for each connection.
fn address(headers: &HeaderMap) -> Option<String> {
    let named = first(headers, &X_FORWARDED_FOR).or_else(|| forwarded(headers, "for"))?;
    let bare = named.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(named);
    let parsed = bare.parse().or_else(|_| named.parse::<SocketAddr>().map(|address| address.ip()));
    Some(parsed.map_or_else(|_| named.to_owned(), |address: IpAddr| address.to_canonical().to_string()))
}

/// The first item of a header that is a list: each proxy adds its own at the end.
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    text(headers, name)?.split(',').next().map(str::trim).filter(|item| !item.is_empty())
}

/// A parameter of the first item of `Forwarded` (RFC 7239).
fn forwarded<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let pairs = first(headers, &header::FORWARDED)?.split(';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
    values.next().map(|(_, value)| value.trim().trim_matches('"'))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0";
    const HERE: Option<PlainPeer> = Some(PlainPeer(Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))));

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
    }

    fn browser(pairs: &[(&'static str, &str)]) -> Option<Identity> {
        Identity::of(&headers(&[&[("user-agent", CHROME)], pairs].concat()), HERE)
    }

    #[test]
    fn a_browser_is_told_by_its_user_agent_and_other_clients_are_none() {
        assert!(browser(&[]).is_some());
        for name in
            ["node", "undici", "Bun/1.3.1", "Deno/2.5.0", "curl/8.14.1", "my-app Mozilla/5.0", "Go-http-client/1.1"]
        {
            assert_eq!(Identity::of(&headers(&[("user-agent", name)]), HERE), None, "{name}");
        }
        assert_eq!(Identity::of(&headers(&[]), HERE), None);
        assert_eq!(Identity::of(&headers(&[("user-agent", CHROME)]), None), None, "over HTTP/2 or TLS");
    }

    #[test]
    fn a_page_of_a_secure_origin_has_connections_enough() {
        for (name, value) in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-proto", "HTTPS, http"),
            ("forwarded", "for=192.0.2.1;proto=https;by=192.0.2.2"),
            ("forwarded", "For=192.0.2.1; Proto=\"https\", for=192.0.2.9;proto=http"),
            ("origin", "https://app.example"),
            ("referer", "https://app.example/runs"),
            ("referer", "HTTPS://app.example/runs"),
        ] {
            assert_eq!(browser(&[(name, value)]), None, "{name}: {value}");
        }
        for (name, value) in [
            ("x-forwarded-proto", "http"),
            ("x-forwarded-proto", "http, https"),
            ("forwarded", "for=192.0.2.1;proto=http, for=192.0.2.9;proto=https"),
            ("origin", "http://app.example"),
            ("origin", "null"),
            ("referer", "http://app.example/?next=https://app.example"),
            ("referer", "h"),
        ] {
            assert!(browser(&[(name, value)]).is_some(), "{name}: {value}");
        }
    }

    #[test]
    fn browsers_are_told_apart_by_peer_forwarded_address_and_user_agent() {
        let of = |peer: &str, pairs: &[(&'static str, &str)]| {
            Identity::of(&headers(pairs), Some(PlainPeer(peer.parse().ok()))).expect("a browser")
        };
        let agent = ("user-agent", CHROME);
        let one = of("192.0.2.1", &[agent]);
        assert_eq!(one, of("192.0.2.1", &[agent]));
        assert_eq!(one, of("::ffff:192.0.2.1", &[agent]), "one address, however it is written");
        assert_ne!(one, of("192.0.2.2", &[agent]));
        assert_ne!(one, of("?", &[agent]));
        assert_ne!(one, of("192.0.2.1", &[("user-agent", "Mozilla/5.0 Firefox")]));
        let behind = |value: &str| of("192.0.2.1", &[agent, ("x-forwarded-for", value)]);
        assert_ne!(one, behind("198.51.100.7"));
        assert_ne!(behind("198.51.100.7"), behind("198.51.100.8"));
        for value in [
            "198.51.100.7, 10.0.0.1",
            " 198.51.100.7 ",
            "198.51.100.7:4711",
            "::ffff:198.51.100.7",
            "[::ffff:198.51.100.7]:1",
        ] {
            assert_eq!(behind("198.51.100.7"), behind(value), "{value}");
        }
        assert_eq!(behind("2001:db8::1"), behind("[2001:db8::1]"));
        assert_eq!(behind("198.51.100.7"), of("192.0.2.1", &[agent, ("forwarded", "for=198.51.100.7;proto=http")]));
        assert_eq!(behind("2001:db8::1"), of("192.0.2.1", &[agent, ("forwarded", "by=a;For=\"[2001:db8::1]:4711\"")]));
        assert_ne!(behind("unknown"), behind("_hidden"), "a name that is no address");
        assert_eq!(behind(","), one);
    }
}
