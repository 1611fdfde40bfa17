//! A path goes in, a listening socket comes out whose file is ours alone, and is gone after us.
//!
//! The socket is bound beside its place and moved there once nobody else may open it; so there is
//! no moment at which others can, and a file that a crash left behind is replaced in one step.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::server::Holder;

/// Whoever runs the server may use the socket, and root may everything.
const MODE: u32 = 0o600;

/// The file of a bound socket.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Tells it from one that another server has put in its place.
    inode: u64,
}

/// Why a path cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum BindProblem {
    /// Another server answers there.
    #[error("`{}` is in use by {holder}", path.display())]
    Taken { path: PathBuf, holder: String },
    /// The system says no.
    #[error("`{}` cannot be bound: {source}", path.display())]
    System {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl BindProblem {
    /// Whether somebody else is there already.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Taken { .. })
    }
}

impl SocketFile {
    /// Listens at a path; one that nobody listens at any more is replaced.
    pub(super) fn bind(path: PathBuf) -> Result<(UnixListener, Self), BindProblem> {
        if let Some(holder) = holder_of(&path) {
            return Err(BindProblem::Taken { path, holder });
        }
        match listen(&path) {
            Ok((listener, inode)) => Ok((listener, Self { path, inode })),
            Err(source) => Err(BindProblem::System { path, source }),
        }
    }

    /// What has gone wrong with it.
    pub(super) fn problem(&self, source: io::Error) -> BindProblem {
        BindProblem::System { path: self.path.clone(), source }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket's file stays behind");
        }
    }
}

/// Makes the directory of a place, where only that is missing.
pub(super) fn make_directory(path: &Path) {
    if let Some(directory) = path.parent() {
        // Binding says what is wrong where this fails.
        let _ = fs::create_dir(directory);
    }
}

/// Who listens at a path. A listener whose queue is full is one too.
fn holder_of(path: &Path) -> Option<String> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).ok()?;
    socket.set_nonblocking(true).ok()?;
    match socket.connect(&SockAddr::unix(path).ok()?) {
        Ok(()) => {
            let peer = rustix::net::sockopt::socket_peercred(&socket).ok();
            let pid = peer.map(|peer| peer.pid.as_raw_nonzero().get().unsigned_abs());
            let holder = pid.and_then(Holder::of_process);
            Some(holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Some("a process that does not answer".to_owned())
        }
        Err(_) => None,
    }
}

fn listen(path: &Path) -> io::Result<(UnixListener, u64)> {
    match fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::other("something else than a socket is there"));
        }
        _ => {}
    }
    let aside = beside(path);
    // Of a server that had the same number and ended between two steps.
    let _ = fs::remove_file(&aside);
    let listener = UnixListener::bind(&aside)?;
    move_into_place(&listener, &aside, path)
        .inspect_err(|_| {
            let _ = fs::remove_file(&aside);
        })
        .map(|inode| (listener, inode))
}

fn move_into_place(listener: &UnixListener, aside: &Path, path: &Path) -> io::Result<u64> {
    listener.set_nonblocking(true)?;
    fs::set_permissions(aside, fs::Permissions::from_mode(MODE))?;
    let inode = fs::symlink_metadata(aside)?.ino();
    fs::rename(aside, path)?;
    Ok(inode)
}

/// A name of this process's own in the same directory.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_is_for_its_user_alone_and_goes_with_its_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");

        let (_listener, file) = SocketFile::bind(path.clone()).unwrap();

        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing lies beside it");
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_crash_left_behind_is_replaced_and_a_live_socket_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());

        let (_listener, _file) = SocketFile::bind(path.clone()).unwrap();
        let problem = SocketFile::bind(path.clone()).map(|_| ()).unwrap_err();

        let holder = format!("(process {})", std::process::id());
        assert!(problem.is_taken() && problem.to_string().contains(&holder), "{problem}");
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        fs::write(&path, "mine").unwrap();

        let problem = SocketFile::bind(path.clone()).map(|_| ()).unwrap_err();

        assert!(!problem.is_taken());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn the_socket_of_a_later_server_stays_when_an_earlier_one_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let (listener, earlier) = SocketFile::bind(path.clone()).unwrap();
        drop(listener);
        let (_listener, _later) = SocketFile::bind(path.clone()).unwrap();

        drop(earlier);

        assert!(path.exists());
    }
}
