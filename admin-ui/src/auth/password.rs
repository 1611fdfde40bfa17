//! A password goes in, an argon2id PHC string comes out, and back again as right or wrong.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, phc::PasswordHash},
};
use thiserror::Error;

/// Memory one hash takes, in KiB: the OWASP Password Storage Cheat Sheet's minimum for argon2id
/// with two passes. Two checks at once stay below 40 MiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory, from the same row of that sheet.
const PASSES: u32 = 2;
/// Lanes, from the same row of that sheet.
const LANES: u32 = 1;
/// Longest password in bytes. Longer ones gain nothing and would make every check slower.
const MAX_PASSWORD: usize = 1024;

/// Why a password or its hash cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The password is empty.
    #[error("the password is empty")]
    Empty,
    /// The password is longer than 1024 bytes.
    #[error("the password has {found} bytes, at most {MAX_PASSWORD} are allowed")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The text is not a PHC string.
    #[error("not a password hash ({0}); make one with `dnsward hash-password`")]
    Malformed(#[source] password_hash::phc::Error),
    /// The hash was made by something else than argon2id.
    #[error("hashed with `{found}`, not argon2id; make one with `dnsward hash-password`")]
    OtherAlgorithm {
        /// What the hash says it was made with.
        found: String,
    },
    /// The hash carries no salt, no digest or settings argon2id does not have.
    #[error("the password hash is incomplete; make one with `dnsward hash-password`")]
    Incomplete,
    /// The system gave no randomness or no memory.
    #[error("could not hash the password: {0}")]
    Hashing(#[source] password_hash::Error),
}

/// Hashes a password with argon2id and a fresh salt, with the parameters OWASP recommends.
///
/// Takes tens of milliseconds and 19 MiB: not for a thread that answers queries.
///
/// # Errors
/// When the password is empty or too long, or the system has no randomness to give.
///
/// ```
/// let hash = admin_ui::hash_password("correct horse battery staple")?;
/// assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// # Ok::<(), admin_ui::PasswordError>(())
/// ```
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    match password.len() {
        0 => return Err(PasswordError::Empty),
        found if found > MAX_PASSWORD => return Err(PasswordError::TooLong { found }),
        _ => {}
    }
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| PasswordError::Hashing(error.into()))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(PasswordError::Hashing)
}

/// Says what keeps `text` from being the hash of a password, for the check of a configuration.
///
/// # Errors
/// When it is not a PHC string, not argon2id, or not complete.
pub fn check_hash(text: &str) -> Result<(), PasswordError> {
    parse(text).map(drop)
}

/// Whether `text` can be used as the hash of a password.
///
/// ```
/// assert!(!admin_ui::is_password_hash("hunter2"));
/// ```
#[must_use]
pub fn is_password_hash(text: &str) -> bool {
    check_hash(text).is_ok()
}

/// Whether `password` is the one `hash` was made from. As slow as hashing.
///
/// # Errors
/// When `hash` is none, see [`check_hash`].
pub(crate) fn is_right(password: &str, hash: &str) -> Result<bool, PasswordError> {
    let hash = parse(hash)?;
    if password.len() > MAX_PASSWORD {
        return Ok(false);
    }
    match Argon2::default().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(PasswordError::Hashing(error)),
    }
}

fn parse(text: &str) -> Result<PasswordHash, PasswordError> {
    let hash = PasswordHash::new(text).map_err(PasswordError::Malformed)?;
    if hash.algorithm.as_str() != Algorithm::Argon2id.as_str() {
        return Err(PasswordError::OtherAlgorithm { found: hash.algorithm.to_string() });
    }
    if hash.salt.is_none() || hash.hash.is_none() || Params::try_from(&hash).is_err() {
        return Err(PasswordError::Incomplete);
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let hash = hash_password("open sesame").unwrap();

        assert!(is_right("open sesame", &hash).unwrap());
        assert!(!is_right("open sesame ", &hash).unwrap());
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        assert_ne!(hash_password("same").unwrap(), hash_password("same").unwrap());
    }

    #[test]
    fn an_empty_or_endless_password_is_refused() {
        assert!(matches!(hash_password(""), Err(PasswordError::Empty)));
        let endless = "x".repeat(MAX_PASSWORD + 1);
        assert!(matches!(hash_password(&endless), Err(PasswordError::TooLong { found: 1025 })));
    }

    #[test]
    fn what_is_no_hash_is_said_so() {
        assert!(matches!(check_hash(""), Err(PasswordError::Malformed(_))));
        assert!(matches!(check_hash("hunter2"), Err(PasswordError::Malformed(_))));
        assert!(matches!(
            check_hash("$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHQ$8iIuixkI73Js3G1uMbezQw"),
            Err(PasswordError::OtherAlgorithm { found }) if found == "argon2i"
        ));
        assert!(matches!(
            check_hash("$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ"),
            Err(PasswordError::Incomplete)
        ));
    }
}
