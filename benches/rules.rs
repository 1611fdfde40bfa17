//! Rules and names that are made up by a generator, always the same ones, so that runs can be compared.

use std::fmt::Write as _;

/// So many lines, half of them in each of the two forms that lists have most.
pub(crate) fn list(lines: u64) -> String {
    let mut text = String::new();
    for number in 0..lines {
        let domain = domain(number);
        let _ = if number % 2 == 0 {
            writeln!(text, "||{domain}^")
        } else {
            writeln!(text, "0.0.0.0 {domain}")
        };
    }
    text
}

/// The made-up domain of a number: two to four labels, 8 to 24 characters, no two alike.
pub(crate) fn domain(number: u64) -> String {
    const ENDINGS: [&str; 8] = ["com", "net", "org", "io", "info", "ru", "xyz", "co.uk"];
    let [ending, form, letters @ ..] = scramble(number).to_le_bytes();
    let ending = ENDINGS.get(usize::from(ending) % ENDINGS.len()).unwrap();
    let word: String = letters.iter().map(|letter| char::from(b'a' + letter % 26)).collect();
    match form % 3 {
        0 => format!("{word}{number:x}.{ending}"),
        1 => format!("{word}.{number:x}.{ending}"),
        _ => format!("cdn.{word}-{number:x}.{ending}"),
    }
}

/// A number that looks random and is the same every time (splitmix64).
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
