//! IP addresses as Envoy and clients write them, and how much of one may be sent.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

/// How much of a visitor's address may be sent, as the site wishes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpPolicy {
    /// All of it.
    #[default]
    Keep,
    /// Its [network](network_of).
    Shorten,
    /// Nothing.
    Remove,
}

impl IpPolicy {
    /// Reads the lines of an `X-IP-Policy` header: `keep`, `stripLastOctet` or `remove`, as Jitsu's clients send it, in any case.
    /// A value that is not known is a wish for less that can't be told, so no address is sent. Of several the strictest counts.
    pub fn of_header<'h>(lines: impl Iterator<Item = &'h [u8]>) -> Self {
        let values = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let policy = |value: &[u8]| match value {
            keep if keep.eq_ignore_ascii_case(b"keep") => Self::Keep,
            shorten if shorten.eq_ignore_ascii_case(b"stripLastOctet") => Self::Shorten,
            _ => Self::Remove,
        };
        values.filter(|value| !value.is_empty()).map(policy).max().unwrap_or_default()
    }

    /// Returns what may be sent of an address.
    pub fn apply(self, ip: IpAddr) -> Option<IpAddr> {
        match self {
            Self::Keep => Some(ip),
            Self::Shorten => Some(network_of(ip)),
            Self::Remove => None,
        }
    }

    /// Returns what may be sent of a text that is an address. What can't be read as one can't be shortened.
    pub fn apply_to_text(self, ip: Cow<'_, str>) -> Option<Cow<'_, str>> {
        match self {
            Self::Keep => Some(ip),
            _ => Some(Cow::Owned(written(self.apply(parse_ip(&ip)?)?))),
        }
    }
}

/// Writes an address as [`Display`](std::fmt::Display) does. An IPv4 address goes into every delivery, and takes a fifth of the
/// time this way.
pub fn written(ip: IpAddr) -> String {
    let IpAddr::V4(ip) = ip else { return ip.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for octet in ip.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
}

/// Returns an address with its last octet zero, or the last 80 bits of an IPv6 address: what Google Analytics and others call
/// an anonymized address.
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    }
}

/// Whether the address is not a public one: private, loopback, link-local or carrier-grade NAT.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared(ip),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// 100.64.0.0/10, RFC 6598.
fn is_shared(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [100, 64..=127, _, _])
}

/// The IP of `ip:port` or `[ip]:port`; IPv4-mapped IPv6 becomes IPv4.
pub fn ip_without_port(address: &[u8]) -> Option<IpAddr> {
    let address = str::from_utf8(address).ok()?;
    if let Some(rest) = address.strip_prefix('[') {
        return parse_ip(rest.split_once(']')?.0);
    }
    match address.split_once(':') {
        Some((ip, port)) if !port.contains(':') => parse_ip(ip),
        _ => parse_ip(address),
    }
}

/// An IPv6 zone (`fe80::1%eth0`) is meaningless outside its host and is cut off.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some((ip, _zone)) = text.split_once('%') {
        return ip.parse::<Ipv6Addr>().ok().map(|ip| IpAddr::from(ip).to_canonical());
    }
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(lines: &[&str]) -> IpPolicy {
        IpPolicy::of_header(lines.iter().map(|line| line.as_bytes()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_values_of_jitsus_header_are_read_in_any_case() {
        for line in ["keep", "KEEP", " keep ", ""] {
            assert_eq!(policy(&[line]), IpPolicy::Keep, "{line}");
        }
        assert_eq!(policy(&[]), IpPolicy::Keep);
        for line in ["stripLastOctet", "striplastoctet", "keep, StripLastOctet"] {
            assert_eq!(policy(&[line]), IpPolicy::Shorten, "{line}");
        }
        for line in ["remove", "Remove", "stripLastOctet,remove", "strict", "é"] {
            assert_eq!(policy(&[line]), IpPolicy::Remove, "{line}");
        }
        assert_eq!(policy(&["remove", "keep"]), IpPolicy::Remove);
        assert_eq!(IpPolicy::of_header([&b"\xff"[..]].into_iter()), IpPolicy::Remove);
    }

    #[test]
    fn the_network_of_an_address_lacks_its_last_octet_or_80_bits() {
        for (address, network) in [
            ("203.0.113.7", "203.0.113.0"),
            ("203.0.113.0", "203.0.113.0"),
            ("::ffff:203.0.113.7", "203.0.113.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("2001:db8::1", "2001:db8::"),
        ] {
            assert_eq!(network_of(ip(address)), ip(network), "{address}");
        }
    }

    #[test]
    fn a_text_that_is_no_address_is_only_sent_where_all_of_it_may_be() {
        let apply =
            |policy: IpPolicy, text: &str| policy.apply_to_text(text.to_owned().into()).map(Cow::into_owned);
        assert_eq!(apply(IpPolicy::Keep, "office").as_deref(), Some("office"));
        assert_eq!(apply(IpPolicy::Shorten, "office"), None);
        assert_eq!(apply(IpPolicy::Shorten, " 203.0.113.7 ").as_deref(), Some("203.0.113.0"));
        assert_eq!(apply(IpPolicy::Remove, "203.0.113.7"), None);
    }

    #[test]
    fn private_loopback_link_local_and_shared_addresses_are_private() {
        for private in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(ip(private)), "{private}");
        }
        for public in
            ["203.0.113.7", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2001:db8::1", "::ffff:203.0.113.7"]
        {
            assert!(!is_private(ip(public)), "{public}");
        }
    }

    proptest! {
        #[test]
        fn a_network_is_its_own_network_and_shared_by_256_or_more_addresses(ip: IpAddr, last: u8) {
            let network = network_of(ip);
            prop_assert_eq!(network_of(network), network);
            let neighbour = match ip.to_canonical() {
                IpAddr::V4(ip) => { let [a, b, c, _] = ip.octets(); IpAddr::from([a, b, c, last]) }
                IpAddr::V6(ip) => {
                    let mut octets = ip.octets();
                    octets[15] = last;
                    IpAddr::from(octets)
                }
            };
            prop_assert_eq!(network_of(neighbour), network);
        }

        #[test]
        fn any_header_is_a_policy(line: Vec<u8>) {
            IpPolicy::of_header([line.as_slice()].into_iter());
        }
    }
}
