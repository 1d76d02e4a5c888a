//! Which addresses are public, and which private ones the operator allows.
//!
//! Source: the IANA special-purpose address registries for IPv4 and IPv6
//! (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use url::Host;

/// Whether `ip` is a host on the public Internet. Addresses that carry an IPv4
/// address (mapped, NAT64) are judged by that.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)  // this network, private, loopback, multicast, reserved
            | (100, 64..=127, _)          // carrier-grade NAT
            | (169, 254, _)               // link-local, cloud metadata
            | (172, 16..=31, _)           // private
            | (192, 0, 0 | 2)             // protocol assignments, documentation
            | (192, 88, 99)               // 6to4 relays
            | (192, 168, _)               // private
            | (198, 18 | 19, _)           // benchmarking
            | (198, 51, 100)              // documentation
            | (203, 0, 113) // documentation
    )
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // IPv4-mapped, and the well-known NAT64 prefix (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        // Protocol assignments (Teredo, ORCHID …), documentation, 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast is all that was ever handed out; the rest is local,
        // multicast, or not yet meant for anything.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Hosts that may have private addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<(Host<String>, Option<u16>)>);

/// An entry that is not `host` or `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("allowed hosts are written as host or host:port, separated by commas")]
pub struct AllowedHostsError;

impl AllowedHostsError {
    /// The stable word for this error.
    pub fn code(self) -> &'static str {
        "http.allowed_hosts"
    }
}

impl AllowedHosts {
    /// Reads `host`, `host:port`, `[v6]:port`, separated by commas or spaces. A
    /// host is a name or an address, matched exactly; without a port, every port
    /// is meant.
    ///
    /// # Errors
    /// [`AllowedHostsError`] for anything else, URLs included.
    pub fn parse(list: &str) -> Result<Self, AllowedHostsError> {
        list.split(|c: char| c == ',' || c.is_whitespace())
            .filter(|entry| !entry.is_empty())
            .map(parse_entry)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// These hosts, and the one that `url` names with its port: what the operator
    /// configured as a base URL may be called wherever it is.
    #[must_use]
    pub fn and_url(mut self, url: &url::Url) -> Self {
        if let Some(host) = url.host() {
            self.0.push((host.to_owned(), url.port_or_known_default()));
        }
        self
    }

    /// Whether `host` is allowed at `port`; without a port, at any.
    pub fn contains(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        self.0.iter().any(|(allowed, at)| {
            let same_port = match (at, port) {
                (Some(at), Some(port)) => *at == port,
                _ => true,
            };
            let same_host = match (allowed, host) {
                (Host::Domain(allowed), Host::Domain(host)) => {
                    allowed.eq_ignore_ascii_case(host.strip_suffix('.').unwrap_or(host))
                }
                (Host::Ipv4(allowed), Host::Ipv4(host)) => allowed == host,
                (Host::Ipv6(allowed), Host::Ipv6(host)) => allowed == host,
                _ => false,
            };
            same_host && same_port
        })
    }
}

fn parse_entry(entry: &str) -> Result<(Host<String>, Option<u16>), AllowedHostsError> {
    let (host, port) = match entry.rsplit_once(':') {
        // An address in brackets without a port ends with its bracket.
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse::<u16>().map_err(|_| AllowedHostsError)?;
            (host, Some(port))
        }
        _ => (entry, None),
    };
    let host = Host::parse(host).map_err(|_| AllowedHostsError)?;
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass() {
        let check = |text: &str, public: bool| {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(is_public(ip), public, "{text}");
        };
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.254",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            check(public, true);
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "100::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
        ] {
            check(private, false);
        }
    }

    #[test]
    fn allowed_hosts_match_exactly() {
        let allowed =
            AllowedHosts::parse("fhir.clinic.lan, 10.0.0.5:8443 [::1]:9000\n[fd00::2]").unwrap();
        let check = |host: &str, port: u16, expected: bool| {
            let host = Host::parse(host).unwrap();
            let host = match &host {
                Host::Domain(name) => Host::Domain(name.as_str()),
                Host::Ipv4(ip) => Host::Ipv4(*ip),
                Host::Ipv6(ip) => Host::Ipv6(*ip),
            };
            assert_eq!(
                allowed.contains(&host, Some(port)),
                expected,
                "{host} {port}"
            );
        };
        check("fhir.clinic.lan", 80, true);
        check("FHIR.clinic.LAN", 443, true);
        check("fhir.clinic.lan.", 443, true);
        check("evil.fhir.clinic.lan", 443, false);
        check("fhir.clinic.lan.evil.example", 443, false);
        check("10.0.0.5", 8443, true);
        check("10.0.0.5", 22, false);
        check("10.0.0.6", 8443, false);
        check("[::1]", 9000, true);
        check("[::1]", 9001, false);
        check("[fd00::2]", 1, true);
    }

    #[test]
    fn what_is_not_a_host_is_not_an_entry() {
        for list in [
            "http://a.example",
            "a.example:port",
            "a.example:99999",
            "a/b",
            "a b:c:d",
        ] {
            assert_eq!(AllowedHosts::parse(list), Err(AllowedHostsError), "{list}");
        }
        assert_eq!(AllowedHosts::parse(" , "), Ok(AllowedHosts::default()));
    }
}
