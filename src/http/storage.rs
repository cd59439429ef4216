//! Presigned URLs of stored packets: which hosts they may name, and the clients that hold requests to those.
//!
//! A server names them, and whoever can write an answer of the server (a run's row, a cache in between) would have this
//! process read its own machine, or the metadata of its cloud. So no presigned URL leads to a loopback or link-local
//! address, by whichever name, form or redirection, unless the base URL is there too, as in development. Private networks are allowed:
//! a server of one's own keeps its packets there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use url::{Host, Url};

use super::client_slot::ClientSlot;
use super::clients::{Limits, MAX_REDIRECTS, PROTOCOLS, build, builder};
use super::{lookup, proxy};
use crate::error::{Error, Result};

/// A part of the address space that only this machine, or its own link, reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Near {
    /// This machine.
    Loopback,
    /// The link: where clouds answer with the metadata of a machine.
    Link,
}

impl Near {
    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) if address.is_loopback() || address.octets()[0] == 0 => Some(Self::Loopback),
            IpAddr::V4(address) => address.is_link_local().then_some(Self::Link),
            IpAddr::V6(address) if address.is_loopback() || address.is_unspecified() => Some(Self::Loopback),
            IpAddr::V6(address) if address.is_unicast_link_local() || address == METADATA => Some(Self::Link),
            IpAddr::V6(address) => within(address).and_then(|inner| Self::of(inner.into())),
        }
    }

    /// Of a host that needs no lookup.
    fn of_literal(url: &Url) -> Option<Self> {
        match url.host()? {
            // The parser of URLs has read decimal, octal and hexadecimal forms.
            Host::Ipv4(address) => Self::of(address.into()),
            Host::Ipv6(address) => Self::of(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// Of the address that a base URL is at.
    async fn of_base(base_url: &str) -> Option<Self> {
        let url = Url::parse(base_url).ok()?;
        let Some(Host::Domain(name)) = url.host() else { return Self::of_literal(&url) };
        let addresses = lookup::addresses(name).await.ok()?;
        addresses.into_iter().find_map(|address| Self::of(address.ip()))
    }
}

/// The metadata service of AWS over IPv6, whose address is not link-local.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The address of IPv4 that one of IPv6 stands for: mapped, compatible, of NAT64, of 6to4.
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [_, ..] => None,
    }
}

/// The cause of a refused request.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the address is {}", match .0 { Near::Loopback => "loopback", Near::Link => "link-local" })]
struct Refused(Near);

impl Refused {
    fn into_error(self) -> Error {
        let address = match self.0 {
            Near::Loopback => "a loopback",
            Near::Link => "a link-local",
        };
        // A presigned URL is a secret, and is not shown.
        Error::protocol(format!(
            "the server keeps a packet at {address} address, which is not asked: only a base URL that is at one too may name it"
        ))
        .with_source(self)
    }
}

/// The refusal among the causes of `error`, as the error of the request.
pub(super) fn refusal(error: &reqwest::Error) -> Option<Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<Refused>()).map(|refused| refused.into_error())
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |&cause| cause.source())
}

/// The client of requests to a presigned URL: one that does not connect to near addresses, but for those of the kind
/// that the base URL is at.
///
/// # Errors
/// `ERR_PROTOCOL` for a URL whose host is such an address.
pub(super) async fn slot(url: &str, base_url: &str) -> Result<&'static ClientSlot> {
    // What is no URL fails in the request.
    let near = Url::parse(url).ok().and_then(|url| Near::of_literal(&url));
    if near.is_none() && is_proxied(url) {
        // Without a look-up of the base URL: where a proxy is needed, names may be known to it alone.
        return Ok(&PROXIED);
    }
    let allowed = Near::of_base(base_url).await;
    if let Some(near) = near.filter(|_| near != allowed) {
        return Err(Refused(near).into_error());
    }
    Ok(match allowed {
        _ if is_proxied(url) => &PROXIED,
        None => &FAR,
        Some(Near::Loopback) => &LOOPBACK,
        Some(Near::Link) => &LINK,
    })
}

static FAR: ClientSlot = ClientSlot::new(|| client(None, true));
static LOOPBACK: ClientSlot = ClientSlot::new(|| client(Some(Near::Loopback), true));
static LINK: ClientSlot = ClientSlot::new(|| client(Some(Near::Link), true));
/// A proxy looks the host up itself, and may be at loopback. Such a request is not redirected past its proxy.
static PROXIED: ClientSlot = ClientSlot::new(|| client(None, false));

fn client(allowed: Option<Near>, is_direct: bool) -> Result<reqwest::Client> {
    let redirects = redirect::Policy::custom(move |attempt| {
        let near = Near::of_literal(attempt.url());
        match near.filter(|_| near != allowed) {
            Some(near) => attempt.error(Refused(near)),
            None if attempt.previous().len() > MAX_REDIRECTS => attempt.error("too many redirections"),
            None if !is_direct && !is_proxied(attempt.url().as_str()) => attempt.error("a redirection past the proxy"),
            None => attempt.follow(),
        }
    });
    let builder = builder(&PROTOCOLS, Limits::DEFAULT)?.redirect(redirects);
    build(if is_direct { builder.dns_resolver(Guard { allowed }) } else { builder })
}

fn is_proxied(url: &str) -> bool {
    url.parse().is_ok_and(|uri| proxy::is_proxied(&uri))
}

/// Looks names up, and refuses those with a near address. The connection goes to the addresses that were checked, so
/// that a name which changes meanwhile gains nothing.
struct Guard {
    allowed: Option<Near>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed;
        Box::pin(async move {
            let addresses = lookup::addresses(name.as_str()).await?;
            let refused =
                addresses.iter().filter_map(|address| Near::of(address.ip())).find(|&near| Some(near) != allowed);
            match refused {
                Some(near) => Err(Refused(near).into()),
                None => Ok(Box::new(addresses.into_iter()) as Addrs),
            }
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allowed", &self.allowed).finish()
    }
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
