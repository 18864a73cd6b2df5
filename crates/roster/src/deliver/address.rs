//! Which addresses may be reached: whoever holds a key can name any, and must not get at what only we can reach.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use roster_directory::{Flaw, issue::Code, webhook::WebhookUrl};
use url::{Host, Url};

/// IANA's IPv4 special-purpose registry (RFC 6890 and its updates), multicast, and what is reserved.
const SPECIAL_V4: [(u8, u8, u8, u8, u8); 18] = [
    (0, 0, 0, 0, 8),       // this network (RFC 791)
    (10, 0, 0, 0, 8),      // private (RFC 1918)
    (100, 64, 0, 0, 10),   // carrier-grade NAT (RFC 6598)
    (127, 0, 0, 0, 8),     // loopback (RFC 1122)
    (169, 254, 0, 0, 16),  // link-local (RFC 3927), where clouds keep their metadata
    (172, 16, 0, 0, 12),   // private (RFC 1918)
    (192, 0, 0, 0, 24),    // protocol assignments (RFC 6890)
    (192, 0, 2, 0, 24),    // documentation (RFC 5737)
    (192, 31, 196, 0, 24), // AS112 (RFC 7535)
    (192, 52, 193, 0, 24), // AMT (RFC 7450)
    (192, 88, 99, 0, 24),  // 6to4 relays (RFC 7526)
    (192, 168, 0, 0, 16),  // private (RFC 1918)
    (192, 175, 48, 0, 24), // AS112 (RFC 7534)
    (198, 18, 0, 0, 15),   // benchmarks (RFC 2544)
    (198, 51, 100, 0, 24), // documentation (RFC 5737)
    (203, 0, 113, 0, 24),  // documentation (RFC 5737)
    (224, 0, 0, 0, 4),     // multicast (RFC 5771)
    (240, 0, 0, 0, 4),     // reserved (RFC 1112), and broadcast
];

/// Where IPv6 addresses of the world are given out (RFC 4291 §2.4). All outside of it is something else.
const GLOBAL_V6: (u16, u8) = (0x2000, 3);

/// IANA's IPv6 special-purpose registry within that. 6to4 and Teredo contain an IPv4 address that somebody else chose.
const SPECIAL_V6: [([u16; 3], u8); 5] = [
    ([0x2001, 0, 0], 23),         // protocol assignments, Teredo and ORCHID among them (RFC 2928)
    ([0x2001, 0xdb8, 0], 32),     // documentation (RFC 3849)
    ([0x2002, 0, 0], 16),         // 6to4 (RFC 3056)
    ([0x2620, 0x4f, 0x8000], 48), // AS112 (RFC 7534)
    ([0x3fff, 0, 0], 20),         // documentation (RFC 9637)
];

/// Whether it is not an address of somebody in the world.
fn is_special(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => SPECIAL_V4.iter().any(|(a, b, c, d, len)| v4(*a, *b, *c, *d, *len).contains(&ip)),
        // Mapped addresses and those of a translator lie outside of what is global.
        IpAddr::V6(ip) => {
            !v6([GLOBAL_V6.0, 0, 0], GLOBAL_V6.1).contains(&ip)
                || SPECIAL_V6.iter().any(|(segments, len)| v6(*segments, *len).contains(&ip))
        }
    }
}

fn v4(a: u8, b: u8, c: u8, d: u8, len: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len)
}

fn v6([a, b, c]: [u16; 3], len: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), len)
}

/// Networks that the operator lets webhooks reach although they are inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside(Vec<IpNet>);

impl Inside {
    /// Whether something may be sent there. Outside, by https to its own port only; inside, as the operator's receivers
    /// have it.
    pub fn may_reach(&self, ip: IpAddr, https: bool, port: u16) -> bool {
        // What a mapped address reaches is the address in it.
        let ip = ip.to_canonical();
        self.0.iter().any(|net| net.contains(&ip)) || https && port == 443 && !is_special(ip)
    }

    /// What is wrong with an address that can never be reached, whatever its name resolves to; a name that may lead
    /// somewhere is judged at every delivery.
    pub fn check(&self, url: &WebhookUrl) -> Result<(), Flaw> {
        let flaw = |message: &'static str| Err(Flaw::new(Code::Custom, message));
        let Ok(url) = Url::parse(url.as_str()) else { return flaw("Invalid url") };
        let (https, port) = (url.scheme() == "https", url.port_or_known_default().unwrap_or_default());
        let ips: &[IpAddr] = match url.host() {
            Some(Host::Ipv4(ip)) => &[ip.into()],
            Some(Host::Ipv6(ip)) => &[ip.into()],
            // RFC 6761 §6.3: this machine, whatever a name server says.
            Some(Host::Domain(name)) if is_localhost(name) => &[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            _ => &[],
        };
        if ips.iter().any(|ip| self.may_reach(*ip, https, port)) {
            return Ok(());
        }
        let to_the_world = https && port == 443;
        match ips {
            [] if to_the_world || !self.0.is_empty() => Ok(()),
            [ip, ..] if is_special(ip.to_canonical()) => {
                flaw("The url leads inside, where the operator of this server allows no webhook")
            }
            _ => flaw("The url must begin with https:// and name no port but 443"),
        }
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

impl FromStr for Inside {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = |text: &str| {
            let text = text.trim();
            let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            net.map_err(|_: std::net::AddrParseError| {
                format!("{text:?} is no network: 10.1.2.0/24, or an address; several are separated by commas")
            })
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(network).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_the_world_is_reached_and_only_by_https() {
        let nothing_inside = Inside::default();
        for outside in [
            "1.0.0.0",
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "93.184.215.14",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::",
            "2001:db7:ffff::1",
            "2003::",
            "2606:4700::1111",
            "2620:4f:8001::",
            "2a00:1450::1",
            "3fff:1000::",
        ] {
            assert!(nothing_inside.may_reach(ip(outside), true, 443), "{outside}");
            assert!(!nothing_inside.may_reach(ip(outside), false, 443), "{outside}");
            assert!(!nothing_inside.may_reach(ip(outside), true, 22), "{outside}");
        }
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.88.99.1",
            "192.168.1.1",
            "192.175.48.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::1.1.1.1",
            "64:ff9b::101:101",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2620:4f:8000::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!nothing_inside.may_reach(ip(special), true, 443), "{special}");
        }
        assert!(nothing_inside.may_reach(ip("::ffff:1.1.1.1"), true, 443), "the address in it is outside");
    }

    #[test]
    fn what_the_operator_names_is_reached_by_any_port() {
        let inside: Inside = "10.1.2.0/24, 127.0.0.1,fd00:1::/32".parse().expect("networks");
        for (address, reached) in [
            ("10.1.2.77", true),
            ("10.1.3.77", false),
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd00:1::9", true),
            ("fd00:2::9", false),
        ] {
            assert_eq!(inside.may_reach(ip(address), false, 8080), reached, "{address}");
        }
        for text in ["10.1.2.0/33", "localhost", "10.1.2"] {
            assert!(text.parse::<Inside>().is_err(), "{text}");
        }
        assert_eq!("".parse(), Ok(Inside::default()));
    }
}
