//! What the kernel tells of a datagram goes in, the way of its answer comes out.
//!
//! On a wildcard socket the kernel would choose the address that an answer leaves from, and a client
//! that asked another one drops it. So the asked address is kept with the query.

use std::net::{Ipv6Addr, SocketAddr};

use nix::{
    libc::{in_pktinfo, in6_pktinfo},
    sys::socket::{ControlMessage, ControlMessageOwned, RecvMsg, SockaddrStorage},
};

use super::socket::Binding;

/// Between whom an answer goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// Who asked, with the scope of a link-local address.
    pub(super) peer: SocketAddr,
    pub(super) asked: Asked,
}

/// The address that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The one that the socket is bound to.
    Bound,
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

impl Route {
    /// Reads where a datagram came from and which address it was sent to.
    pub(super) fn of(
        datagram: &RecvMsg<'_, '_, SockaddrStorage>,
        binding: Binding,
    ) -> Option<Self> {
        let peer = datagram.address.as_ref().and_then(socket_address)?;
        let asked = match binding {
            Binding::One => Asked::Bound,
            Binding::All => datagram.cmsgs().ok()?.find_map(|message| Asked::read(&message))?,
        };
        Some(Self { peer, asked })
    }
}

impl Asked {
    /// What tells the kernel which address an answer leaves from.
    pub(super) fn control(&self) -> Option<ControlMessage<'_>> {
        match self {
            Self::Bound => None,
            Self::V4(info) => Some(ControlMessage::Ipv4PacketInfo(info)),
            Self::V6(info) => Some(ControlMessage::Ipv6PacketInfo(info)),
        }
    }

    /// The interface is left to the routing table, which may know another way back; only a
    /// link-local address means nothing without it.
    fn read(message: &ControlMessageOwned) -> Option<Self> {
        match *message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Self::V4(in_pktinfo { ipi_ifindex: 0, ..info }))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let is_link_local = Ipv6Addr::from(info.ipi6_addr.s6_addr).is_unicast_link_local();
                let ipi6_ifindex = if is_link_local { info.ipi6_ifindex } else { 0 };
                Some(Self::V6(in6_pktinfo { ipi6_ifindex, ..info }))
            }
            _ => None,
        }
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| Some(SocketAddr::V6((*address.as_sockaddr_in6()?).into())))
}
