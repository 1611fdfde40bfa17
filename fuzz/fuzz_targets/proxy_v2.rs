//! Any octets go in as the beginning of a proxy's connection; what is read of them must not depend
//! on the pieces they come in, nor on what follows the header.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use dnsward::{
    listener::tcp::proxy::{Header, Malformed, SIGNATURE},
    query::{Identity, SpiffeId},
};
use libfuzzer_sys::fuzz_target;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fuzz_target!(|rest: &[u8]| {
    // The fuzzer need not guess the signature; without it only the first octet counts.
    assert!(Header::read(rest).is_err() || rest.is_empty() || rest.first() == SIGNATURE.first());
    let octets = [&SIGNATURE, rest].concat();
    let read = Header::read(&octets);
    for end in 0..octets.len() {
        let earlier = Header::read(octets.get(..end).unwrap_or_default());
        let agrees = match (&earlier, &read) {
            (Ok(None), _) => true,
            (Ok(Some(_)), _) => earlier == read,
            (Err(Malformed), _) => read == Err(Malformed),
        };
        assert!(agrees, "{end} octets: {earlier:?}, all: {read:?}");
    }
    let Ok(Some((header, length))) = read else { return };
    assert!((16..=octets.len()).contains(&length));
    if header == Header::Local {
        assert_eq!(header.clone().client(PEER).identity, Identity::Address);
    }
    match header.clone().client(PEER).identity {
        Identity::Spiffe(id) => {
            assert_eq!(SpiffeId::parse(id.as_str()).as_ref(), Some(id.as_ref()));
            assert!(id.as_str().len() < length && id.as_str().is_ascii());
        }
        Identity::Address => assert_eq!(header, Header::Local),
        Identity::Unidentified => assert!(header != Header::Local),
    }
});
