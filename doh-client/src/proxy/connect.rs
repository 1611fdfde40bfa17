//! A connection to an HTTP proxy goes in, the same connection as a tunnel comes out (RFC 9110
//! section 9.3.6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Login, ProxyProblem, Target};

/// The head of a proxy's response: a few hundred bytes, and more only where one is out of order.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// Asks for a tunnel to a target and reads the response up to where the tunnel begins.
pub(super) async fn tunnel<S>(
    stream: &mut S,
    target: &Target,
    login: Option<&Login>,
) -> Result<(), ProxyProblem>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request(target, login).as_bytes()).await?;
    let head = read_head(stream).await?;
    match parse_status(&head).ok_or(ProxyProblem::NotAProxy)? {
        (200..=299, _) => Ok(()),
        (407, _) => Err(ProxyProblem::Login),
        (status, reason) => {
            Err(ProxyProblem::refused(target, format!("HTTP status {status} {reason}")))
        }
    }
}

fn request(target: &Target, login: Option<&Login>) -> String {
    let login = login.map_or_else(String::new, |Login { user, password }| {
        let both = BASE64.encode([user, &b":"[..], password].concat());
        format!("Proxy-Authorization: Basic {both}\r\n")
    });
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n")
}

/// Reads one byte after the other, because what follows the head belongs to whoever is at the far
/// end; it happens once a connection.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, ProxyProblem> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD {
            return Err(ProxyProblem::TooLong);
        }
        head.push(stream.read_u8().await?);
        if head.len() == 5 && head != b"HTTP/" {
            return Err(ProxyProblem::NotAProxy);
        }
    }
    Ok(head)
}

/// `HTTP/1.1 200 OK` as 200 and `OK`.
fn parse_status(head: &[u8]) -> Option<(u16, String)> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.splitn(3, ' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status = words.next().filter(|status| status.len() == 3)?.parse().ok()?;
    /// Enough for any reason there is; more would fill the log with what strangers write.
    const REASON_SHOWN: usize = 64;
    let reason = words.next().unwrap_or_default().chars().take(REASON_SHOWN);
    Some((status, reason.filter(|character| !character.is_control()).collect()))
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What becomes of a tunnel when the proxy says this and closes.
    async fn outcome(response: &[u8]) -> Result<(), ProxyProblem> {
        let (mut ours, mut theirs) = duplex(64 * 1024);
        theirs.write_all(response).await.expect("it fits");
        theirs.shutdown().await.expect("a pipe can be shut");
        tunnel(&mut ours, &Target::Name("dns.test".to_owned(), 443), None).await
    }

    #[tokio::test]
    async fn what_a_proxy_says_is_understood() {
        for (response, said) in [
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            ("HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n", None),
            ("HTTP/1.1 204\r\n\r\n", None),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Some("another user")),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", Some("`dns.test:443`: HTTP status 403 Forbidden")),
            ("HTTP/1.1 502 a\u{7}b\r\n\r\n", Some("HTTP status 502 ab")),
            ("HTTP/1.1 301 Moved\r\n\r\n", Some("HTTP status 301")),
            ("HTTP/1.1 100 Continue\r\n\r\n", Some("HTTP status 100")),
            ("HTTP/2 200\r\n\r\n", Some("not that of such a proxy")),
            ("HTTP/1.1 2000 OK\r\n\r\n", Some("not that of such a proxy")),
            ("HTTP/1.1 +20 OK\r\n\r\n", Some("HTTP status 20")),
            ("HTTP/1.1\r\n\r\n", Some("not that of such a proxy")),
            ("220 ftp.test ready\r\n", Some("not that of such a proxy")),
            ("\u{5}\u{ff}", Some("closed the connection")),
            ("HTTP/1.1 200 OK\r\nVia:", Some("closed the connection")),
            ("", Some("closed the connection")),
        ] {
            let found = outcome(response.as_bytes()).await.err().map(|error| error.to_string());
            match (found, said) {
                (None, None) => {}
                (Some(found), Some(said)) => assert!(found.contains(said), "{response}: {found}"),
                (found, _) => panic!("{response}: {found:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_head_without_an_end_is_given_up() {
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(10_000));

        assert!(matches!(outcome(endless.as_bytes()).await, Err(ProxyProblem::TooLong)));
    }

    #[tokio::test]
    async fn what_follows_the_head_stays_for_who_is_at_the_far_end() {
        let (mut ours, mut theirs) = duplex(1024);
        theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await.unwrap();
        theirs.shutdown().await.unwrap();
        let address = "[2001:db8::1]:443".parse().unwrap();
        let login = Login { user: b"me".to_vec(), password: b"secret".to_vec() };

        tunnel(&mut ours, &Target::Address(address), Some(&login)).await.unwrap();

        let (mut rest, mut asked) = (String::new(), String::new());
        ours.read_to_string(&mut rest).await.unwrap();
        drop(ours);
        theirs.read_to_string(&mut asked).await.unwrap();
        assert_eq!(rest, "hello");
        assert_eq!(
            asked,
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\
             Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n"
        );
    }
}
