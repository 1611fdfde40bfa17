//! Datagrams come in, answers go out: one blocking socket, one buffer, two system calls a query.
//!
//! On a wildcard address every answer must leave from the address that was asked, which costs every
//! server two longer system calls; the floor of such servers makes them too. (nix also
//! allocates for each answer; a server need not.)

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsRawFd as _,
};

use nix::{
    cmsg_space,
    libc::in_pktinfo,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
        sockopt::Ipv4PacketInfo,
    },
};

use super::answer::answer_in_place;

/// Largest query plus its answer; load generators send far smaller ones.
const BUFFER: usize = 4096;

/// Answers until the socket fails.
///
/// # Errors
/// When receiving fails. What cannot be sent is dropped, as with any datagram.
pub fn serve(socket: &UdpSocket) -> io::Result<()> {
    if socket.local_addr()?.ip() == Ipv4Addr::UNSPECIFIED {
        return serve_wildcard(socket);
    }
    let mut buffer = [0; BUFFER];
    loop {
        let (query, client) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            // A client that is gone is told of by ICMP, on the next call.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        if let Some(answer) = answer_in_place(&mut buffer, query).and_then(|end| buffer.get(..end))
        {
            let _ = socket.send_to(answer, client);
        }
    }
}

fn serve_wildcard(socket: &UdpSocket) -> io::Result<()> {
    setsockopt(socket, Ipv4PacketInfo, &true)?;
    let (mut buffer, mut control) = ([0; BUFFER], cmsg_space!(in_pktinfo));
    loop {
        let (query, client, asked) = receive(socket, &mut buffer, &mut control)?;
        let answer = answer_in_place(&mut buffer, query).and_then(|end| buffer.get(..end));
        if let Some(answer) = answer {
            // The interface is left to the routes: some clients ask through one and listen on another.
            let from = asked.map(|asked| in_pktinfo { ipi_ifindex: 0, ..asked });
            let from = from.as_ref().map(ControlMessage::Ipv4PacketInfo);
            let parts = [IoSlice::new(answer)];
            let raw = socket.as_raw_fd();
            let _ = sendmsg(raw, &parts, from.as_slice(), MsgFlags::empty(), client.as_ref());
        }
    }
}

/// A query's length, who sent it, and to which address.
type Received = (usize, Option<SockaddrIn>, Option<in_pktinfo>);

fn receive(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8]) -> io::Result<Received> {
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::empty();
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(control), flags)?;
    let asked = message.cmsgs()?.find_map(|header| match header {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(info),
        _ => None,
    });
    Ok((message.bytes, message.address, asked))
}
