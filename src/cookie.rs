//! A client's cookie goes in, whether it proves the client's address and what to give it come out
//! (RFC 7873, RFC 9018).
//!
//! Whoever shows a cookie that we gave to this address can read what is sent there, so its address
//! is no forgery. Servers that share a secret take each other's cookies.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use siphasher::sip::SipHasher24;
use subtle::ConstantTimeEq as _;

use crate::query::Cookie;

/// The only version there is (RFC 9018 section 4.1), and three octets that are reserved.
const VERSION: [u8; 4] = [1, 0, 0, 0];

/// How old a cookie may be, in seconds (RFC 9018 section 4.3).
const MAX_AGE: u32 = 3600;

/// How far in the future a cookie may be made, by a server whose clock is ahead (the same place).
const MAX_AHEAD: u32 = 300;

/// From what age on a client gets a new one (the same place).
const RENEW_AGE: u32 = 1800;

/// What cookies are made with (RFC 9018 section 4.4 asks for 128 bits).
pub type Secret = [u8; 16];

/// Makes and checks cookies.
#[derive(Debug)]
pub struct Cookies {
    /// In use where no secret is configured; no other server knows it.
    own: Secret,
}

impl Default for Cookies {
    fn default() -> Self {
        // The standard library's hashers have random keys, which nobody sees of their hashes.
        let [high, low] = [(); 2].map(|()| RandomState::new().build_hasher().finish());
        Self { own: (u128::from(high) << 64 | u128::from(low)).to_be_bytes() }
    }
}

impl Cookies {
    /// Checks a cookie against the configured secrets, the first of which makes new ones, or
    /// against our own where there are none; gives it the server's part that the answer shows.
    pub fn check(&self, cookie: &mut Cookie, client: IpAddr, configured: &[Secret]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Serial numbers, which wrap in 2106 (RFC 9018 section 4.3).
        let [_, _, _, _, serial @ ..] = now.to_be_bytes();
        self.check_at(cookie, client, configured, u32::from_be_bytes(serial));
    }

    fn check_at(&self, cookie: &mut Cookie, client: IpAddr, configured: &[Secret], now: u32) {
        let own = [self.own];
        let secrets = if configured.is_empty() { own.as_slice() } else { configured };
        let [_, _, _, _, made @ .., _, _, _, _, _, _, _, _] = cookie.server;
        let made = u32::from_be_bytes(made);
        let age = now.wrapping_sub(made);
        let is_in_time = age <= MAX_AGE || made.wrapping_sub(now) <= MAX_AHEAD;
        let is_made_with = |secret: &Secret| {
            let expected = server_part(&cookie.client, made, client, secret);
            bool::from(expected.ct_eq(&cookie.server))
        };
        let maker = secrets.iter().position(is_made_with);
        cookie.is_valid = is_in_time && maker.is_some();
        let is_current = cookie.is_valid && maker == Some(0) && age <= RENEW_AGE;
        if !is_current && let Some(secret) = secrets.first() {
            cookie.server = server_part(&cookie.client, now, client, secret);
        }
    }
}

/// The server's part of a cookie (RFC 9018 section 4.4).
fn server_part(asked: &[u8; 8], made: u32, client: IpAddr, secret: &Secret) -> [u8; 16] {
    let mut hasher = SipHasher24::new_with_key(secret);
    let [first, second, third, fourth] = made.to_be_bytes();
    let [version, reserved @ ..] = VERSION;
    let head = [version, reserved[0], reserved[1], reserved[2], first, second, third, fourth];
    hasher.write(asked);
    hasher.write(&head);
    match client {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    let mut part = [0; 16];
    let (start, hash) = part.split_at_mut(8);
    start.copy_from_slice(&head);
    hash.copy_from_slice(&hasher.finish().to_le_bytes());
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret = *b"\xe5\xe9\x73\xe5\xa6\xb2\xa4\x3f\x48\xe7\xdc\x84\x9e\x37\xbf\xcf";
    const NEW_SECRET: Secret = [7; 16];
    const ASKED: [u8; 8] = *b"\x24\x64\xc4\xab\xcf\x10\xc9\x57";
    const MADE: u32 = 1_559_731_985;

    fn client() -> IpAddr {
        IpAddr::from([198, 51, 100, 100])
    }

    /// A cookie that this secret made at that time.
    fn made_with(secret: &Secret, made: u32) -> Cookie {
        let server = server_part(&ASKED, made, client(), secret);
        Cookie { client: ASKED, server, is_valid: false }
    }

    fn check(mut cookie: Cookie, secrets: &[Secret], now: u32) -> Cookie {
        Cookies::default().check_at(&mut cookie, client(), secrets, now);
        cookie
    }

    #[test]
    fn r68_a_cookie_is_made_as_the_specification_shows() {
        // RFC 9018 appendix A.1.
        let expected = b"\x01\0\0\0\x5c\xf7\x9f\x11\x1f\x81\x30\xc3\xee\xe2\x94\x80";

        let none = Cookie { client: ASKED, server: [0; 16], is_valid: false };
        let given = check(none, &[SECRET], MADE);

        assert_eq!((given.server, given.is_valid), (*expected, false));
        assert!(check(given, &[SECRET], MADE + 60).is_valid);
    }

    #[test]
    fn r68_a_cookie_of_an_ipv6_client_is_made_as_the_specification_shows() {
        // RFC 9018 appendix A.4, with the secret after the change.
        let secret = 0x4455_36bc_d251_3298_075a_5d37_9663_c962_u128.to_be_bytes();
        let asked = 0x2268_1ab9_7d52_c298_u64.to_be_bytes();
        let address: IpAddr = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();

        let server = server_part(&asked, 1_559_741_961, address, &secret);

        let expected = 0x0100_0000_5cf7_c609_a6bb_79d1_6625_507a_u128;
        assert_eq!(server, expected.to_be_bytes());
    }

    #[test]
    fn r68_a_cookie_is_good_for_one_address() {
        let mut cookie = made_with(&SECRET, MADE);

        Cookies::default().check_at(
            &mut cookie,
            IpAddr::from([198, 51, 100, 101]),
            &[SECRET],
            MADE,
        );

        assert!(!cookie.is_valid);
    }

    #[test]
    fn r69_a_cookie_is_good_for_an_hour_and_renewed_after_half_of_it() {
        let old = made_with(&SECRET, MADE);
        for (now, is_valid, is_renewed) in [
            (MADE, true, false),
            (MADE + 1800, true, false),
            (MADE + 1801, true, true),
            (MADE + 3600, true, true),
            (MADE + 3601, false, true),
            (MADE - 300, true, true),
            (MADE - 301, false, true),
        ] {
            let cookie = check(old, &[SECRET], now);
            assert_eq!(cookie.is_valid, is_valid, "at {now}");
            assert_eq!(cookie.server != old.server, is_renewed, "at {now}");
        }
    }

    #[test]
    fn r70_servers_with_one_secret_take_each_others_cookies() {
        let cookie = made_with(&SECRET, MADE);

        assert!(check(cookie, &[SECRET], MADE).is_valid);
        assert!(!check(cookie, &[NEW_SECRET], MADE).is_valid);
        assert!(!check(cookie, &[], MADE).is_valid, "a secret of its own");
    }

    #[test]
    fn r70_the_old_secret_is_still_good_but_makes_no_new_cookies() {
        let old = check(made_with(&SECRET, MADE), &[NEW_SECRET, SECRET], MADE);

        assert!(old.is_valid);
        assert_eq!(old.server, made_with(&NEW_SECRET, MADE).server);
    }
}
