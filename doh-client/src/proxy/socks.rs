//! A connection to a SOCKS5 proxy goes in, the same connection as a tunnel comes out (RFC 1928, with
//! user and password as in RFC 1929).

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Login, ProxyProblem, Target};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
const SUCCESS: u8 = 0;
const NO_METHOD: u8 = 0xff;

/// Asks for a tunnel to a target and reads the reply up to where the tunnel begins.
pub(super) async fn tunnel<S>(
    stream: &mut S,
    target: &Target,
    login: Option<&Login>,
) -> Result<(), ProxyProblem>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let methods: &[u8] = if login.is_some() { &[NO_LOGIN, LOGIN] } else { &[NO_LOGIN] };
    let count = if login.is_some() { 2 } else { 1 };
    stream.write_all(&[&[VERSION, count][..], methods].concat()).await?;
    let [version, method] = read(stream).await?;
    match (version, method, login) {
        (VERSION, NO_LOGIN, _) => {}
        (VERSION, LOGIN, Some(login)) => log_in(stream, login).await?,
        (VERSION, NO_METHOD | LOGIN, _) => return Err(ProxyProblem::Login),
        _ => return Err(ProxyProblem::NotAProxy),
    }
    stream.write_all(&request(target)?).await?;
    read_reply(stream, target).await
}

async fn log_in<S>(stream: &mut S, login: &Login) -> Result<(), ProxyProblem>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = vec![LOGIN_VERSION];
    for piece in [&login.user, &login.password] {
        // The URL was refused if either is longer.
        request.push(u8::try_from(piece.len()).map_err(|_| ProxyProblem::Login)?);
        request.extend_from_slice(piece);
    }
    stream.write_all(&request).await?;
    match read(stream).await? {
        [LOGIN_VERSION, SUCCESS] => Ok(()),
        [LOGIN_VERSION, _] => Err(ProxyProblem::Login),
        _ => Err(ProxyProblem::NotAProxy),
    }
}

fn request(target: &Target) -> Result<Vec<u8>, ProxyProblem> {
    let mut request = vec![VERSION, CONNECT, 0];
    match target {
        Target::Address(SocketAddr::V4(address)) => {
            request.push(IPV4);
            request.extend_from_slice(&address.ip().octets());
        }
        Target::Address(SocketAddr::V6(address)) => {
            request.push(IPV6);
            request.extend_from_slice(&address.ip().octets());
        }
        Target::Name(name, _) => {
            let length = u8::try_from(name.len())
                .map_err(|_| ProxyProblem::refused(target, "its name is too long for SOCKS5"))?;
            request.extend_from_slice(&[NAME, length]);
            request.extend_from_slice(name.as_bytes());
        }
    }
    request.extend_from_slice(&target.port().to_be_bytes());
    Ok(request)
}

/// Reads the reply with the address behind it, of which nobody wants to know.
async fn read_reply(
    stream: &mut (impl AsyncRead + Unpin),
    target: &Target,
) -> Result<(), ProxyProblem> {
    let [version, reply] = read(stream).await?;
    if version != VERSION {
        return Err(ProxyProblem::NotAProxy);
    }
    if reply != SUCCESS {
        return Err(ProxyProblem::refused(target, reason(reply)));
    }
    let [_reserved, kind] = read(stream).await?;
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(ProxyProblem::NotAProxy),
    };
    /// The longest name, and the port behind it.
    const MAX_BOUND: usize = 255 + 2;
    let mut bound = [0; MAX_BOUND];
    let bound = bound.get_mut(..length + 2).ok_or(ProxyProblem::NotAProxy)?;
    stream.read_exact(bound).await?;
    Ok(())
}

/// RFC 1928 section 6.
fn reason(reply: u8) -> String {
    match reply {
        1 => "it has failed in general".to_owned(),
        2 => "its rules do not allow it".to_owned(),
        3 => "the network is unreachable from there".to_owned(),
        4 => "the host is unreachable from there".to_owned(),
        5 => "the connection was refused".to_owned(),
        6 => "the TTL expired on the way".to_owned(),
        7 => "it knows no CONNECT".to_owned(),
        8 => "it knows no such addresses".to_owned(),
        other => format!("its reply is {other}"),
    }
}

async fn read<const N: usize>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<[u8; N], ProxyProblem> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    fn name() -> Target {
        Target::Name("dns.test".to_owned(), 443)
    }

    /// What becomes of a tunnel when the proxy says this and closes, and what it heard.
    async fn outcome(
        replies: &[u8],
        target: &Target,
        login: Option<&Login>,
    ) -> (Result<(), ProxyProblem>, Vec<u8>) {
        let (mut ours, mut theirs) = duplex(1024);
        theirs.write_all(replies).await.expect("it fits");
        theirs.shutdown().await.expect("a pipe can be shut");
        let outcome = tunnel(&mut ours, target, login).await;
        let (mut rest, mut heard) = (Vec::new(), Vec::new());
        ours.read_to_end(&mut rest).await.expect("a pipe can be read");
        drop(ours);
        theirs.read_to_end(&mut heard).await.expect("a pipe can be read");
        assert_eq!(rest, if outcome.is_ok() { &b"tunnel"[..] } else { &rest[..] });
        (outcome, heard)
    }

    fn login() -> Login {
        Login { user: b"me".to_vec(), password: b"secret".to_vec() }
    }

    #[tokio::test]
    async fn targets_are_asked_for_as_the_rfc_has_them() {
        let v4 = Target::Address("192.0.2.1:443".parse().unwrap());
        let v6 = Target::Address("[2001:db8::1]:853".parse().unwrap());
        let v6_octets = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        for (target, bound, asked) in [
            (
                &v4,
                &[1, 0, 0, 0, 0, 0, 0][..],
                [&[5, 1, 0, 1, 192, 0, 2, 1][..], &[1, 187]].concat(),
            ),
            (&v6, &[4; 19][..], [&[5, 1, 0, 4][..], &v6_octets, &[3, 85]].concat()),
            (&name(), b"\x03\x02ab\0\0", b"\x05\x01\0\x03\x08dns.test\x01\xbb".to_vec()),
        ] {
            let replies = [&[5, 0, 5, 0, 0][..], bound, b"tunnel"].concat();

            let (outcome, heard) = outcome(&replies, target, None).await;

            assert!(outcome.is_ok(), "{target}: {outcome:?}");
            assert_eq!(heard, [&[5, 1, 0][..], &asked].concat(), "{target}");
        }
    }

    #[tokio::test]
    async fn user_and_password_are_told_to_who_asks() {
        let replies = b"\x05\x02\x01\x00\x05\0\0\x01\0\0\0\0\0\0tunnel";

        let (outcome, heard) = outcome(replies, &name(), Some(&login())).await;

        assert!(outcome.is_ok(), "{outcome:?}");
        assert!(heard.starts_with(b"\x05\x02\x00\x02\x01\x02me\x06secret\x05\x01"), "{heard:?}");
    }

    #[tokio::test]
    async fn what_a_proxy_says_is_understood() {
        let login = login();
        for (replies, login, said) in [
            (&[5, 0xff][..], None, "another user"),
            (&[5, 2], None, "another user"),
            (&[5, 0xff], Some(&login), "another user"),
            (&[5, 2, 1, 1], Some(&login), "another user"),
            (&[5, 2, 9, 0], Some(&login), "not that of such a proxy"),
            (&[5, 1], None, "not that of such a proxy"),
            (&[4, 0], None, "not that of such a proxy"),
            (b"HTTP/1.1 400", None, "not that of such a proxy"),
            (&[5, 0, 5, 2, 0, 1], None, "`dns.test:443`: its rules do not allow it"),
            (&[5, 0, 5, 5], None, "the connection was refused"),
            (&[5, 0, 5, 99], None, "its reply is 99"),
            (&[5, 0, 4, 0], None, "not that of such a proxy"),
            (&[5, 0, 5, 0, 0, 2], None, "not that of such a proxy"),
            (&[5, 0, 5, 0, 0, 1, 0], None, "closed the connection"),
            (&[5], None, "closed the connection"),
            (&[], None, "closed the connection"),
        ] {
            let (outcome, _) = outcome(replies, &name(), login).await;

            let error = outcome.expect_err(said).to_string();
            assert!(error.contains(said), "{replies:?}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
