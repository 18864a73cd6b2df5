//! Which address a request comes from, where a proxy may stand between.

use std::net::{IpAddr, SocketAddr};

use hyper::{HeaderMap, header::FORWARDED};
use ipnet::IpNet;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the client: of whoever is connected, or, where that is a proxy to be believed, the last one named
/// that is none (`X-Forwarded-For`, and `Forwarded` of RFC 7239).
///
/// Each proxy adds to the end of the list whom it was asked by, so everything before what an unknown one has added is
/// hearsay. Where both headers were sent the proxy itself is taken: it writes one of them, and lets pass whatever a
/// client puts into the other.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let trusted = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !trusted(&peer) {
        return peer;
    }
    let named: Vec<Option<IpAddr>> = match (headers.contains_key(X_FORWARDED_FOR), headers.contains_key(FORWARDED)) {
        (true, false) => values(headers, X_FORWARDED_FOR).map(address).collect(),
        (false, true) => values(headers, FORWARDED.as_str()).map(forwarded_for).collect(),
        _ => return peer,
    };
    let mut client = peer;
    for named in named.into_iter().rev() {
        // Who cannot be read was named by the one before.
        let Some(named) = named else { break };
        client = named;
        if !trusted(&named) {
            break;
        }
    }
    client
}

/// The elements of a header's lists, one after another.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    // What is no text names nobody.
    headers.get_all(name).into_iter().flat_map(|value| value.to_str().unwrap_or("?").split(','))
}

/// The `for` of `for=192.0.2.60;proto=http;by=203.0.113.43`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(node.trim().trim_matches('"'))
}

/// An address, with or without a port, and with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header::HeaderValue};

    use super::client_address;

    fn check(peer: &str, headers: &[(&'static str, &str)], expect: &str) {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        let found = client_address(peer.parse().expect("an address"), &map, &proxies);
        assert_eq!(found.to_string(), expect, "{peer} {headers:?}");
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        const XFF: &str = "x-forwarded-for";
        check("192.0.2.1", &[], "192.0.2.1");
        check("192.0.2.1", &[(XFF, "198.51.100.7")], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &[(XFF, "198.51.100.7")], "198.51.100.7");
        check("10.0.0.1", &[(XFF, "203.0.113.9, 198.51.100.7")], "198.51.100.7");
        check("10.0.0.1", &[(XFF, "203.0.113.9"), (XFF, "198.51.100.7,10.0.0.2")], "198.51.100.7");
        check("10.0.0.1", &[(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3");
        check("10.0.0.1", &[(XFF, "203.0.113.9, unknown, 10.0.0.2")], "10.0.0.2");
        check("10.0.0.1", &[(XFF, "")], "10.0.0.1");
        check("fd00::1", &[(XFF, "[2001:db8::7]:4711")], "2001:db8::7");
        check("fd00::1", &[(XFF, "2001:db8::7")], "2001:db8::7");
        check("fd00::1", &[(XFF, "::ffff:198.51.100.7")], "198.51.100.7");
    }

    #[test]
    fn forwarded_is_read_like_it() {
        check("10.0.0.1", &[("forwarded", "for=198.51.100.7;proto=https")], "198.51.100.7");
        check("10.0.0.1", &[("forwarded", "for=203.0.113.9, proto=http;For=\"198.51.100.7:80\"")], "198.51.100.7");
        check("10.0.0.1", &[("forwarded", "for=\"[2001:db8::7]:80\", for=10.0.0.9")], "2001:db8::7");
        check("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1");
        check("192.0.2.1", &[("forwarded", "for=198.51.100.7")], "192.0.2.1");
    }

    #[test]
    fn two_headers_that_may_disagree_are_not_believed() {
        check("10.0.0.1", &[("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=203.0.113.9")], "10.0.0.1");
    }
}
