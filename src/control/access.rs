//! A peer's user goes in, whether it may command the server comes out.

/// The user that may do everything on its host.
const ROOT: u32 = 0;

/// Who may use the control socket: root and the server's own user. The file's mode says the same;
/// this holds whatever becomes of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    server: u32,
}

impl Access {
    /// The access to a server that runs as this process does.
    pub(super) fn of_process() -> Self {
        Self { server: rustix::process::geteuid().as_raw() }
    }

    /// Whether a user may.
    pub(super) fn admits(self, user: u32) -> bool {
        user == ROOT || user == self.server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_servers_own_user_may_and_nobody_else() {
        for (server, user, may) in [
            (65532, 65532, true),
            (65532, 0, true),
            (65532, 1000, false),
            (65532, 65534, false),
            (0, 0, true),
            (0, 65532, false),
            (1000, 1001, false),
        ] {
            assert_eq!(Access { server }.admits(user), may, "{user} at a server of {server}");
        }
    }
}
