//! Every row of the tables in `docs/upstreams.md` goes in and must mean what the page says, so that
//! page and code cannot differ.

use super::*;

const PAGE: &str = include_str!("../../../../docs/upstreams.md");

/// The rows of the table with this heading.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let lines = PAGE.lines().skip_while(|line| *line != heading).skip(2);
    let rows = lines.map_while(|line| line.strip_prefix('|')?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(str::trim).collect()).collect()
}

/// The texts between a cell's backticks.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn asked_by(server: &Server) -> String {
    let method = match server.method() {
        Method::Post => "POST",
        Method::Get => "GET",
    };
    match server.protocol() {
        Protocol::Https => format!("DNS over HTTPS, {method}"),
        Protocol::H2c => format!("HTTP/2 without TLS, {method}"),
        Protocol::Tls => "DNS over TLS".to_owned(),
        Protocol::Tcp => "DNS over TCP".to_owned(),
        Protocol::Udp => "DNS over UDP".to_owned(),
    }
}

#[test]
fn servers_mean_what_the_page_says() {
    let heading = "| server | is asked by | is dialled at | shows a certificate for |";
    let rows = rows(heading);
    assert!(rows.len() >= 15, "only {} rows were found", rows.len());
    for row in rows {
        let [text, by, at, name] = row[..] else { panic!("four cells: {row:?}") };
        let server = server(codes(text)[0]);
        let addresses: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
        let names = if server.protocol().has_tls() { vec![server.host()] } else { Vec::new() };
        assert_eq!(asked_by(&server), by, "{text}");
        assert_eq!(addresses, codes(at), "{text}");
        assert_eq!(names, codes(name), "{text}");
    }
}

#[test]
fn options_are_those_of_the_page() {
    let rows = rows("| option | meaning |");
    let texts: Vec<_> = rows.iter().flat_map(|row| codes(row[0])).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");

    let server = server(&format!("tls://dns.example#{}", texts.join(",")));

    assert_eq!((server.addresses().len(), server.pins().len()), (2, 1));
    assert!(server.is_metered());
}

#[test]
fn what_the_page_says_is_refused_is_refused_for_that_reason() {
    let rows = rows("| server | because |");
    assert!(rows.len() >= 10, "only {} rows were found", rows.len());
    for row in rows {
        let [text, reason] = row[..] else { panic!("two cells: {row:?}") };
        let error = codes(text)[0].parse::<Server>().expect_err(text).to_string();
        assert!(error.starts_with(reason), "{text}: {error}");
    }
}
