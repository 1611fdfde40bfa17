//! What the server keeps in its data directory beside lists: the first password's hash.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use admin_ui::PasswordError;
use tokio::task::{JoinError, spawn_blocking};

use crate::config::{Config, Listen};

/// The file of the first password's hash.
const HASH_FILE: &str = "admin-password-hash";

/// A password that the server made, to be shown once.
pub struct FirstPassword {
    /// The password itself.
    pub password: String,
    /// Whether it is good after a restart too.
    pub is_kept: bool,
}

/// Why no password can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordProblem {
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Randomness(#[source] getrandom::Error),
    /// It cannot be hashed.
    #[error("it cannot be hashed")]
    Hash(#[from] PasswordError),
    /// Hashing ended by a defect of ours.
    #[error("hashing it ended by a defect of dnsward")]
    Crash(#[source] JoinError),
}

/// The data directory, where it can be written; else a loud warning, and nothing is kept.
pub(super) fn usable(data_dir: Option<PathBuf>) -> Option<PathBuf> {
    let directory = data_dir?;
    match try_out(&directory) {
        Ok(()) => Some(directory),
        Err(error) => {
            let path = directory.display();
            tracing::warn!(%path, %error, "data_dir cannot be written; NOTHING IS KEPT over a restart");
            None
        }
    }
}

/// The hash that log-ins are checked against, and the password itself where it was made just now.
///
/// To be called when all other threads run: one that begins after a hash was made begins its heap
/// in the 19 MiB that this took, and they are never given back. Else they are when the thread ends
/// that made it.
pub(super) async fn password(
    config: &Config,
) -> Result<(String, Option<FirstPassword>), PasswordProblem> {
    if config.admin.listen == Listen::Off || !config.admin.password_hash.is_empty() {
        return Ok((config.admin.password_hash.clone(), None));
    }
    let file = config.data_dir.as_ref().map(|directory| directory.join(HASH_FILE));
    let kept = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
    if let Some(hash) =
        kept.map(|hash| hash.trim().to_owned()).filter(|hash| admin_ui::is_password_hash(hash))
    {
        return Ok((hash, None));
    }
    let password = random_password().map_err(PasswordProblem::Randomness)?;
    let (hash, password) = hashed(password).await?;
    let written = file.map(|file| write_secret(&file, &hash));
    if let Some(Err(error)) = &written {
        tracing::warn!(%error, "the first password cannot be kept; a restart makes another");
    }
    let is_kept = matches!(written, Some(Ok(())));
    Ok((hash, Some(FirstPassword { password, is_kept })))
}

/// Hashes a password where nobody waits for the thread.
async fn hashed(password: String) -> Result<(String, String), PasswordProblem> {
    let hash = move || admin_ui::hash_password(&password).map(|hash| (hash, password));
    Ok(spawn_blocking(hash).await.map_err(PasswordProblem::Crash)??)
}

/// Twenty characters of five random bits each, none of which is easily taken for another.
fn random_password() -> Result<String, getrandom::Error> {
    const CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 20];
    getrandom::fill(&mut random)?;
    let character = |byte: &u8| CHARACTERS.get(usize::from(byte & 31)).map(|c| char::from(*c));
    Ok(random.iter().filter_map(character).collect())
}

fn try_out(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let probe = directory.join(".writable");
    fs::write(&probe, b"")?;
    fs::remove_file(probe)
}

fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")
}
